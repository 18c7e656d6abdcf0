// Gofollow follows a log with golang.org/x/mod/sumdb/note and sumdb/tlog, which know nothing of Postseal.
//
//	gofollow URL VKEY        with an API key in $KEY
//
// For each line on standard input it fetches the checkpoint, opens it with the verifier key, recomputes the root from
// the entry bundles and from the tiles, and checks inclusion and consistency, by its own proofs and by the log's. It
// answers each with the size on standard output, and ends at the first thing that does not hold.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var prefix, key string

func main() {
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	prefix, key = os.Args[1], os.Getenv("KEY")
	old := tlog.Tree{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		tree := open(get("checkpoint"), verifier)
		follow(old, tree, verifier)
		old = tree
		fmt.Println(tree.N)
	}
	check(lines.Err())
}

func follow(old, tree tlog.Tree, verifier note.Verifier) {
	if tree.N < old.N {
		fail("the log went back from %d to %d", old.N, tree.N)
	}
	entries := bundles(tree.N)
	hashes := &memory{}
	for n, entry := range entries {
		stored, err := tlog.StoredHashes(int64(n), entry, hashes)
		check(err)
		hashes.list = append(hashes.list, stored...)
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	check(err)
	if root != tree.Hash {
		fail("the entries give root %v, the checkpoint says %v", root, tree.Hash)
	}

	// The same from hash tiles alone; the reader checks each against the root.
	tiles := tlog.TileHashReader(tree, tileReader{})
	root, err = tlog.TreeHash(tree.N, tiles)
	check(err)
	if root != tree.Hash {
		fail("the tiles give root %v", root)
	}
	for n := int64(0); n < tree.N; n += 1 + tree.N/9 {
		leaf := tlog.RecordHash(entries[n])
		proof, err := tlog.ProveRecord(tree.N, n, tiles)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, n, leaf))
		theirs(n, leaf, verifier)
	}
	if old.N > 0 {
		proof, err := tlog.ProveTree(tree.N, old.N, tiles)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
		var said struct{ Proof []string }
		check(json.Unmarshal(get(fmt.Sprintf("proofs/consistency?old=%d&new=%d", old.N, tree.N)), &said))
		var nodes tlog.TreeProof
		for _, node := range said.Proof {
			raw, err := hex.DecodeString(node)
			check(err)
			nodes = append(nodes, hash(raw))
		}
		check(tlog.CheckTree(nodes, tree.N, tree.Hash, old.N, old.Hash))
	}
}

// theirs checks the log's own proof of an entry (C2SP tlog-proof).
func theirs(n int64, leaf tlog.Hash, verifier note.Verifier) {
	parts := strings.SplitN(string(get(fmt.Sprintf("entries/%d.tlog-proof", n))), "\n\n", 2)
	lines := strings.Split(parts[0], "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != fmt.Sprintf("index %d", n) {
		fail("a tlog-proof begins %q", lines[:2])
	}
	var nodes tlog.RecordProof
	for _, line := range lines[2:] {
		raw, err := base64.StdEncoding.DecodeString(line)
		check(err)
		nodes = append(nodes, hash(raw))
	}
	tree := open([]byte(parts[1]), verifier)
	check(tlog.CheckRecord(nodes, tree.N, tree.Hash, n, leaf))
}

// open verifies a checkpoint and takes it apart; sumdb's own trees begin with a line of another name.
func open(data []byte, verifier note.Verifier) tlog.Tree {
	opened, err := note.Open(data, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("a checkpoint of %d lines, origin %q", len(lines)-1, lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: hash(raw)}
}

func bundles(size int64) [][]byte {
	var entries [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := size - n*256
		if width > 256 {
			width = 256
		}
		path := strings.Replace(path(tlog.Tile{H: 8, L: 0, N: n, W: int(width)}), "tile/0/", "tile/entries/", 1)
		for data := get(path); len(data) > 0; {
			length := 2 + int(binary.BigEndian.Uint16(data))
			entries = append(entries, data[2:length])
			data = data[length:]
		}
	}
	if int64(len(entries)) != size {
		fail("%d entries of %d", len(entries), size)
	}
	return entries
}

// path is C2SP's, which leaves out the height.
func path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}

type tileReader struct{}

func (tileReader) Height() int { return 8 }

func (tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		found = append(found, get(path(tile)))
	}
	return found, nil
}

func (tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

type memory struct{ list []tlog.Hash }

func (m *memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		found = append(found, m.list[index])
	}
	return found, nil
}

func get(path string) []byte {
	request, err := http.NewRequest("GET", prefix+"/"+path, nil)
	check(err)
	if path != "checkpoint" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	answer, err := http.DefaultClient.Do(request)
	check(err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	check(err)
	if answer.StatusCode != 200 {
		fail("%s: %s: %s", path, answer.Status, bytes.TrimSpace(data))
	}
	return data
}

func hash(raw []byte) tlog.Hash {
	var made tlog.Hash
	if copy(made[:], raw) != len(raw) || len(raw) != tlog.HashSize {
		fail("a hash of %d octets", len(raw))
	}
	return made
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}
