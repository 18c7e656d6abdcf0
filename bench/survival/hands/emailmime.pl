# A worker (see program.py) that has Email::MIME rewrite the texts of a message, as many small Perl gateways do.
use strict; use warnings;
use Email::MIME; use Encode ();

binmode STDIN; binmode STDOUT; $| = 1;
my $footer = "Circulated by the announcements desk\nhttps://lists.example.org/announcements\n";

while (defined(my $line = <STDIN>)) {
    my ($what, $size) = split ' ', $line;
    read(STDIN, my $octets, $size) == $size or last;
    my $answer = eval { change($what, $octets) };
    print defined $answer ? length($answer) . "\n" . $answer : "-\n";
}

sub change {
    my ($what, $octets) = @_;
    my $mail = Email::MIME->new($octets);
    return $mail->as_string if $what eq 'hello' or $what eq 'copy';
    if ($what eq 'tag') {
        my $subject = $mail->header_str('Subject');
        return undef unless defined $subject and length $subject;
        $mail->header_str_set(Subject => "[list] $subject");
        return $mail->as_string;
    }
    my $done = 0;
    my $walk = sub {
        my ($part) = @_;
        return if $part->subparts;
        my ($type) = split /;/, lc($part->content_type // 'text/plain');
        return unless $type =~ m{^text/(plain|html)$};
        return if defined $part->filename or ($part->header('Content-Disposition') // '') =~ /^attachment/i;
        if ($what eq 'base64' or $what eq 'quoted-printable') {
            my $now = lc($part->header('Content-Transfer-Encoding') // '');
            return if $now eq $what;
            $part->encoding_set($what);
            $done = 1;
        } else {
            my $text = eval { $part->body_str };
            return unless defined $text;
            if ($what eq 'utf-8') {
                # Octets that the charset does not have are lost here: another text, and no question of its form.
                return if $text =~ /\x{fffd}/;
                return if $text !~ /[^\x00-\x7f]/ or ($part->content_type // '') =~ /utf-?8/i;
            } elsif ($what eq 'footer') {
                my $html = "<hr><p>" . $footer . "</p>\n";
                if ($type eq 'text/html') { $text =~ s{(</body)}{$html$1}i or $text .= $html; }
                else { $text .= "\n" unless $text =~ /\n\z/; $text .= $footer; }
            }
            $part->charset_set('UTF-8');
            $part->encoding_set('quoted-printable');
            $part->body_str_set($text);
            $done = 1;
        }
    };
    $mail->walk_parts($walk);
    return undef unless $done;
    return $mail->as_string;
}
