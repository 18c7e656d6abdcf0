// Debian 12 has the same release (golang-golang-x-mod-dev), so that it can be built without the network.
module gofollow

go 1.19

require golang.org/x/mod v0.7.0
