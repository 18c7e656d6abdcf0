# A worker (see program.py) that has MIME::Tools parse a message and write it out, as MIMEDefang does.
use strict; use warnings;
use MIME::Parser; use MIME::Entity; use Encode ();

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
    my $parser = MIME::Parser->new;
    $parser->output_to_core(1);
    $parser->tmp_to_core(1);
    my $entity = $parser->parse_data($octets);
    if ($what =~ /^(base64|quoted-printable)$/) {
        my $done = 0;
        for my $part (grep { shown($_) } leaves($entity)) {
            next if lc($part->head->mime_encoding) eq $what;
            $part->head->mime_attr('Content-Transfer-Encoding' => $what);
            $done = 1;
        }
        return undef unless $done;
    } elsif ($what eq 'footer-part') {
        $entity->make_multipart('mixed', Force => 1) unless $entity->mime_type eq 'multipart/mixed';
        $entity->attach(Type => 'text/plain', Encoding => '7bit', Data => $footer);
    } elsif ($what eq 'footer') {
        my $done = 0;
        for my $part (grep { shown($_) } leaves($entity)) {
            my $text = $part->bodyhandle->as_string;
            my $html = "<hr><p>" . $footer . "</p>\n";
            if ($part->mime_type eq 'text/html') { $text =~ s{(</body)}{$html$1}i or $text .= $html; }
            else { $text .= "\n" unless $text =~ /\n\z/; $text .= $footer; }
            my $io = $part->bodyhandle->open('w'); $io->print($text); $io->close;
            $done = 1;
        }
        return undef unless $done;
    } elsif ($what eq 'remove' or $what eq 'replace') {
        my @files = grep { attached($_) } leaves($entity);
        @files or return undef;
        my $victim = $files[@files / 2];
        if ($what eq 'remove') {
            my $parent = parent($entity, $victim) or return undef;
            my @rest = grep { $_ != $victim } $parent->parts;
            @rest or return undef;
            $parent->parts(\@rest);
        } else {
            my $io = $victim->bodyhandle->open('w'); $io->print("Another file of the same name.\n" x 40); $io->close;
            $victim->head->mime_attr('Content-Transfer-Encoding' => 'base64');
        }
        my $name = $victim->head->recommended_filename;
        $name = $victim->mime_type unless defined $name;
        utf8::encode($name) if utf8::is_utf8($name);  # lengths are told in octets
        $name =~ s/\s+/ /g;
        return "X-Named: " . $name . "\n" . $entity->as_string;
    }
    return $entity->as_string;
}

sub leaves {
    my ($entity) = @_;
    return $entity unless $entity->is_multipart or $entity->parts;
    return () if $entity->mime_type =~ m{^message/};
    return map { leaves($_) } $entity->parts;
}

sub parent {
    my ($entity, $wanted) = @_;
    for my $part ($entity->parts) {
        return $entity if $part == $wanted;
        my $found = $part->is_multipart ? parent($part, $wanted) : undef;
        return $found if $found;
    }
    return undef;
}

sub attached {
    my ($part) = @_;
    return 0 unless $part->bodyhandle and length $part->bodyhandle->as_string;
    return 0 if $part->mime_type =~ m{signature|^message/};
    return 1 if lc($part->head->mime_attr('content-disposition') // '') eq 'attachment';
    return defined $part->head->recommended_filename;
}

sub shown {
    my ($part) = @_;
    return $part->mime_type =~ m{^text/(plain|html)$} && $part->bodyhandle && !attached($part)
        && !defined $part->head->recommended_filename;
}
