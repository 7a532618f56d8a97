# A client of rivulet's compact framing, version 1, in Perl: core modules alone, plain TCP. It was written from src/wire/compact/PROTOCOL.md alone, by somebody
# who had not seen the code, and stands here as a test that the page suffices: mend it by what the page says, not by what the broker does.
#   my $c = Rivulet->new(port => 9192, session => 7, name => 'x')->connect;   # dies with { how, error, detail, text }
#   my $a = $c->alias('temps', partition => 3, acks => 'leader');  $c->put($a, '21.5', time => $ms, key => 'k');  $c->flush->settle;
#   after a broken connection: $c->connect; $c->flush->settle;     # same session: exactly once
use v5.36;
no warnings "portable";

package Rivulet::Reader {
    sub new   ($class, $b)  { bless { b => $b, p => 0 }, $class }
    sub bad   ($s, $why)    { die { how => 'client', error => 2, text => $why } }
    sub left  ($s)          { length($s->{b}) - $s->{p} }
    sub bytes ($s, $n)      { $s->bad("ends early") if $n > $s->left; $s->{p} += $n; substr $s->{b}, $s->{p} - $n, $n }
    sub rest  ($s)          { $s->bytes($s->left) }
    sub end   ($s)          { $s->bad("bytes left over") if $s->left; $s }
    sub u8    ($s)          { ord $s->bytes(1) }
    sub varint ($s) {
        for (my ($v, $shift) = (0, 0);; $shift += 7) {
            my $c = $s->u8;
            $s->bad("varint above 64 bits") if $shift == 63 && $c > 1;
            $v |= ($c & 127) << $shift;
            next if $c > 127;
            $s->bad("varint not minimal") if $shift && !$c;
            return $v;
        }
    }
    sub zigzag ($s)         { my $u = $s->varint; $u & 1 ? -($u >> 1) - 1 : $u >> 1 }
    sub block ($s)          { $s->bytes($s->varint) }
    sub nblock ($s)         { my $n = $s->zigzag; $n < 0 ? undef : $s->bytes($n) }          # Kafka's, -1 = null
    sub uuid  ($s)          { join '-', unpack 'H8 H4 H4 H4 H12', $s->bytes(16) }
    sub pairs ($s)          { my %h; while (length(my $k = $s->block)) { $h{$k} = $s->block } \%h }
    sub list  ($s)          { [ map { $s->varint } 1 .. $s->varint ] }
    sub fields ($s, @f)     { my %h; while (my ($n, $t) = splice @f, 0, 2) { $h{$n} = $s->$t } %h }
}

package Rivulet {
    use IO::Socket::INET;
    use Time::HiRes ();

    our @KIND = qw(NEVER OPEN ALIAS PUT PUTB ACK PING PONG ERROR CLOSE FETCH OFFSETS METADATA TOPIC_CREATE TOPIC_LIST
                   TOPIC_DESCRIBE TOPIC_ALTER TOPIC_DELETE SUBSCRIBE DATA CREDIT COMMIT GROUP ASSIGN);
    my $n = 0; our %K = map { $_ => $n++ } @KIND;
    my %ACKS = (none => 0, leader => 4, all => 8);

    # ---- encoding
    sub varint ($n)  { my $s = ''; while ($n > 127) { $s .= chr(0x80 | $n & 127); $n >>= 7 } $s . chr $n }
    sub zigzag ($n)  { varint($n < 0 ? ~($n << 1) : $n << 1) }
    sub block  ($b)  { varint(length $b) . $b }
    sub nblock ($b)  { defined $b ? zigzag(length $b) . $b : zigzag(-1) }
    sub pairs  (%h)  { join '', (map { block($_) . block($h{$_}) } sort keys %h), "\0" }
    sub add64  ($x, $y) { use integer; $x + $y }
    sub sub64  ($x, $y) { use integer; $x - $y }

    my @CRC = map { my $c = $_; $c = $c & 1 ? $c >> 1 ^ 0x82f63b78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;
    sub crc_add ($c, $data) { $c = $CRC[($c ^ $_) & 255] ^ $c >> 8 for unpack 'C*', $data; $c }
    sub crc32c ($data) { crc_add(0xffffffff, $data) ^ 0xffffffff }

    sub murmur2 ($key) {                                                # as Kafka's clients, seed 0x9747b28c
        my ($m, $w) = (0x5bd1e995, 0xffffffff);
        my $h = (0x9747b28c ^ length $key) & $w;
        my $mul = sub ($x) { use integer; ($x * $m) & 0xffffffff };
        my $n = length($key) & ~3;
        for my $k (unpack 'V*', substr $key, 0, $n) { $k = $mul->($k); $k ^= $k >> 24; $h = $mul->($h) ^ $mul->($k) }
        my @t = unpack 'C*', substr $key, $n;
        if (@t) { $h ^= $t[$_] << 8 * $_ for 0 .. $#t; $h = $mul->($h) }
        $h ^= $h >> 13; $h = $mul->($h); $h ^ $h >> 15;
    }
    sub partition_of ($key, $partitions) { (murmur2($key) & 0x7fffffff) % $partitions }

    # ---- Kafka record batches v2: list of { offset, time, key, value, headers => [[k, v], ...] }
    sub batches_end ($bytes) {                                          # the offset behind the last batch: where to read on
        my $end;
        while (length $bytes) {
            my ($base, $len, $last) = unpack 'q> l> x11 l>', $bytes;
            $end = $base + $last + 1;
            substr $bytes, 0, 12 + $len, '';
        }
        $end;
    }
    sub records ($bytes, $from = 0) {
        my @out;
        while (length $bytes) {
            my ($base, $len, $epoch, $magic, $crc, $attr, $last, $t0, $tmax, $pid, $pepoch, $pseq, $count) =
                unpack 'q> l> l> c N n l> q> q> q> s> l> l>', $bytes;
            die { how => 'client', error => 16, text => 'cut batch' } if length $bytes < 61 || length $bytes < 12 + $len;
            my $batch = substr $bytes, 0, 12 + $len, '';
            die { how => 'client', error => 16, text => "magic $magic" } if $magic != 2;
            die { how => 'client', error => 16, text => "crc of batch $base" } if crc32c(substr $batch, 21) != $crc;
            die { how => 'client', error => 19, text => 'compression ' . ($attr & 7) } if $attr & 7;
            next if $attr & 0x20;                                       # control batch
            my $r = Rivulet::Reader->new(substr $batch, 61);
            for (1 .. $count) {
                my $q = Rivulet::Reader->new($r->bytes($r->zigzag));
                $q->u8;
                my ($dt, $do) = ($q->zigzag, $q->zigzag);
                my %rec = (offset => $base + $do, time => $attr & 8 ? $tmax : $t0 + $dt, key => $q->nblock, value => $q->nblock);
                $rec{headers} = [ map { [ $q->nblock, $q->nblock ] } 1 .. $q->zigzag ];
                $q->end;
                push @out, \%rec if $rec{offset} >= $from;
            }
            $r->end;
        }
        @out;
    }

    # ---- the object. It outlives connections: `ring` holds the readings not settled yet, the first is number `base`
    sub new ($class, %o) {
        my $s = bless { host => '127.0.0.1', port => 9192, session => 0, incarnation => 1 + int rand 0xffffffff, limit => 2 << 20,
                        features => 7, name => '', timeout => 10, batch => 1000, next => 1, ring => [], refused => [], aliases => {},
                        acked => 0, regular => 1, %o }, $class;
        $s->_fresh;
        $s;
    }
    sub _fresh ($s) {                                                   # state of one connection
        $s->{$_} = 0xffffffff for qw(up down);                          # running sums
        $s->{$_} = '' for qw(in out);
        @$s{qw(open last_alias ended server pong)} = ();
        @$s{qw(credit frame_limit requests_max aliases_max corr sent)} = (1024, 1024, 1, 1, 0, 0);
        @$s{qw(answer sub waiting member)} = ({}, {}, {}, {});
        $s->{base} = $s->{position} = $s->{next} - @{ $s->{ring} };
        $s->{position}--;
        $s->{base_time} //= @{ $s->{ring} } && $s->{ring}[0]{time} || int(Time::HiRes::time() * 1000);
        @$s{qw(time step)} = ($s->{base_time}, 0);
        delete $_->{answer} for values %{ $s->{aliases} };
    }
    sub _frame ($s, $kind, $flags, $body, $corr = undef) {              # bytes of a frame up; advances the running sum
        my $check = $kind <= 5 && $kind > 0 && ($kind == 1 || $s->{features} & 1);
        my $inner = chr($kind | $flags << 5) . (defined $corr ? varint($corr) : '') . $body;
        my $f = varint(length($inner) + ($check ? 2 : 0)) . $inner;
        return $f unless $check;
        $s->{up} = crc_add($s->{up}, $f);
        $f . pack 'v', ~$s->{up} & 0xffff;
    }
    sub send ($s, $kind, $flags, $body, $corr = undef) { $s->raw($s->_frame($kind, $flags, $body, $corr)) }
    sub raw ($s, $bytes) { $s->{out} .= $bytes; $s }
    sub open_body ($s) {
        "rv" . varint($s->{version} // 1) . varint($s->{features}) . pack('Q< V', $s->{session}, $s->{incarnation})
            . varint($s->{base}) . zigzag($s->{base_time}) . varint($s->{limit}) . block($s->{name});
    }
    sub connect ($s, %o) {                                              # nowait: do not wait for the answer to OPEN
        die { how => 'client', error => 55, text => 'session moved' } if $s->{moved};
        $s->{base_time} = undef unless $s->{fixed_time};
        $s->_fresh;
        $s->{sock} = IO::Socket::INET->new(PeerHost => $s->{host}, PeerPort => $s->{port}, Proto => 'tcp', Timeout => $s->{timeout})
            or die { how => 'client', error => 80, text => "connect: $@" };
        $s->{sock}->sockopt(Socket::SO_KEEPALIVE(), 1);
        setsockopt $s->{sock}, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
        $s->{sock}->blocking(0);
        return $s if $o{bare};
        $s->send($K{OPEN}, 0, $s->open_body);
        $s->_send_alias($_) for sort { $a <=> $b } keys %{ $s->{aliases} };
        $s->wait(sub { $s->{open} }, 'OPEN') unless $o{nowait};
        $s;
    }

    # ---- reading
    sub pump ($s, $timeout) {                                           # write and read what goes, at most `timeout` seconds; 0 = ended
        return 0 if $s->{ended};
        my ($r, $w) = ('', '');
        vec($r, fileno $s->{sock}, 1) = 1;
        $w = $r if length $s->{out};
        select $r, $w, undef, $timeout;
        if (length $s->{out} and vec $w, fileno $s->{sock}, 1) {
            my $n = syswrite $s->{sock}, $s->{out};
            if (defined $n) { substr $s->{out}, 0, $n, '' } elsif (!$!{EAGAIN}) { $s->{out} = ''; $s->{write_error} = "$!" }
        }
        if (vec $r, fileno $s->{sock}, 1) {
            my $n = sysread $s->{sock}, $s->{in}, 65536, length $s->{in};
            eval { 1 while !$s->{ended} && $s->_take; 1 } or do {
                my $e = $@;
                die $e unless ref $e;
                syswrite $s->{sock}, $s->_frame($K{ERROR}, 0, varint($e->{error}) . "\0" . block($e->{text}));
                $s->{ended} = $e;
            };
            $s->{ended} //= { how => 'EOF', error => 81, text => defined $n ? '' : "$!" } if !$n && !$!{EAGAIN} || defined $n && !$n;
        }
        return 1 unless $s->{ended};
        close $s->{sock};
        0;
    }
    sub wait ($s, $done, $what = '', $timeout = $s->{timeout}) {
        my $until = Time::HiRes::time() + $timeout;
        until ($done->()) {
            $s->pump(0.05) or $done->() ? last : die $s->{ended};
            die { how => 'client', error => 53, text => "waiting: $what" } if Time::HiRes::time() > $until;
        }
        $s;
    }
    sub wait_end ($s, $timeout = $s->{timeout}) { eval { $s->wait(sub { $s->{ended} }, 'end', $timeout) }; $s->{ended} }
    sub _take ($s) {                                                    # one frame from `in`; 0 = it is not whole
        return length $s->{in} < 10 ? 0 : Rivulet::Reader->bad('length') unless $s->{in} =~ /^([\x80-\xff]{0,9}[\0-\x7f])/s;
        my $prefix = $1;
        my $length = Rivulet::Reader->new($prefix)->varint;
        Rivulet::Reader->bad('length 0') unless $length;
        die { how => 'client', error => 7, text => "frame of $length" } if $length + length $prefix > $s->{limit};
        return 0 if length $s->{in} < $length + length $prefix;
        my $f = substr $s->{in}, 0, $length + length $prefix, '';
        my $byte = ord substr $f, length $prefix, 1;
        my ($kind, $flags) = ($byte & 31, $byte >> 5);
        if ($kind == 1 || $s->{features} & 1 && ($kind == 2 || $kind == 5)) {
            Rivulet::Reader->bad('no room for a check') if $length < 3;
            my $check = unpack 'v', substr $f, -2, 2, '';
            $s->{down} = crc_add($s->{down}, $f);
            die { how => 'client', error => 9, text => 'integrity' } if (~$s->{down} & 0xffff) != $check;
        }
        my $name = $KIND[$kind] // '';
        die { how => 'client', error => 6, text => "kind $kind" } if $s->{open} ? $name eq 'OPEN' : $name !~ /^(OPEN|ERROR|CLOSE)$/;
        my $allowed = $name =~ /^(OPEN|ACK|TOPIC_LIST|TOPIC_DESCRIBE|GROUP|ASSIGN)$/ ? 1 : $name eq 'DATA' ? 3 : 0;
        Rivulet::Reader->bad("flags of $name") if $flags & ~$allowed;
        my $m = $s->can("_on_$name") // ($kind >= 10 && $kind <= 22 ? \&_on_answer : die { how => 'client', error => 4, text => "kind $kind" });
        my $r = Rivulet::Reader->new(substr $f, 1 + length $prefix);
        $s->$m($r, $flags, $name);
        $r->end;
        1;
    }
    sub _on_OPEN ($s, $r, $flags, $) {
        my $o = $s->{open} = $s->{server} = { trusted => $flags, $r->fields(qw(version varint features varint state u8 last varint credit varint
            time zigzag frame_limit varint aliases_max varint requests_max varint idle_ms varint software block)) };
        $s->{credit} += $o->{credit};
        @$s{qw(frame_limit requests_max aliases_max)} = @$o{qw(frame_limit requests_max aliases_max)};
    }
    sub _on_ALIAS ($s, $r, $, $) {
        my %a = $r->fields(id => 'varint', error => 'varint');
        %a = (%a, $a{error} ? $r->fields(text => 'block') : $r->fields(partition => 'zigzag', limit => 'varint'));
        $s->{aliases}{ $a{id} }{answer} = \%a;
    }
    sub _on_ACK ($s, $r, $flags, $) {
        my $from = $s->{position};
        my $settled = $r->varint;
        $s->{credit} += $r->varint;
        Rivulet::Reader->bad('ack beyond what was sent') if $settled > $s->{sent} && !$s->{reckless};
        if ($flags) {
            my ($first, $count, $error) = map { $r->varint } 1 .. 3;
            push @{ $s->{refused} }, [ $from + $first, $from + $first + $count - 1, $error ];
        }
        $s->{position} += $settled;
        $s->{sent} -= $settled; $s->{base} += $settled; $s->{acked} += $settled;
        splice @{ $s->{ring} }, 0, $settled if @{ $s->{ring} };
    }
    sub _on_PING ($s, $r, $, $)  { $s->send($K{PONG}, 0, $r->rest) }
    sub _on_PONG ($s, $r, $, $)  { $s->{pong} = $r->rest }
    sub _on_ERROR ($s, $r, $, $) { $s->{ended} = { how => 'ERROR', $r->fields(qw(error varint detail zigzag text block)) } }
    sub _on_CLOSE ($s, $r, $, $) {
        $s->{ended} = { how => 'CLOSE', error => $r->varint };
        $s->{moved} = 1 if $s->{ended}{error} == 55;
    }
    my @LOG = qw(log_start varint high_watermark varint durable_end varint log_end varint);
    our %ANSWER = (
        FETCH => sub ($r) { return ($r->fields(qw(offset varint epoch zigzag), @LOG), batches => $r->rest) },
        SUBSCRIBE => sub ($r) { $r->fields(qw(offset varint epoch zigzag), @LOG) },
        OFFSETS => sub ($r) { $r->fields(qw(offset varint time zigzag epoch zigzag)) },
        METADATA => sub ($r) {
            my %h = ($r->fields(qw(cluster uuid node varint controller zigzag)), nodes => []);
            push @{ $h{nodes} }, { $r->fields(qw(id varint host block port varint)) } while $r->left;
            %h;
        },
        TOPIC_CREATE => sub ($r) { $r->fields(qw(id uuid partitions varint replicas varint)) },
        TOPIC_LIST => sub ($r) {
            my @t;
            push @t, { $r->fields(qw(name block id uuid partitions varint replicas varint durability u8)) } while $r->left;
            (topics => \@t);
        },
        TOPIC_DESCRIBE => sub ($r) {
            my %h = ($r->fields(qw(id uuid partitions varint replicas varint durability u8)), list => []);
            $h{config} = $r->pairs;                                     # no pairs on later pages, but the end mark is there
            while ($r->left) {
                my %p = $r->fields(qw(partition varint leader zigzag epoch zigzag log_start varint durable_end varint high_watermark varint
                                      log_end varint bytes varint fenced_ranges varint replicas list isr list));
                $p{fenced} = [ map { [ $r->varint, $r->varint ] } 1 .. $r->varint ];
                push @{ $h{list} }, \%p;
            }
            %h;
        },
        TOPIC_ALTER => sub ($r) { () }, TOPIC_DELETE => sub ($r) { () },
    );
    sub _on_answer ($s, $r, $flags, $name) {
        my $corr = $r->varint;
        my $ask = delete $s->{waiting}{$corr};
        Rivulet::Reader->bad("an answer $corr that nobody asked for") unless $ask && $ask->[0] eq $name;
        my $error = $r->varint;
        my %a = $error ? $r->fields(detail => 'zigzag', text => 'block') : $ANSWER{$name}->($r, $name eq 'GROUP' ? $ask->[1] : ());
        $s->{answer}{$corr} = { %a, error => $error, more => $flags };
        $s->{sub}{$corr} = { data => [], credit => $ask->[1] } if $name eq 'SUBSCRIBE' && !$error;
    }
    sub _on_DATA ($s, $r, $flags, $) {
        my $size = length($r->{b}) + 1; $size += length varint($size);
        my $corr = $r->varint;
        my $sub = $s->{sub}{$corr} or return $s->_on_member_data($r, $flags, $corr, $size);
        Rivulet::Reader->bad("data of a slot for a subscription") if $flags & 2;
        $sub->{credit} -= $size;
        if ($flags) {
            my $error = $r->varint;
            $sub->{end} = { error => $error, $error ? $r->fields(detail => 'zigzag', text => 'block') : () };
            delete $s->{sub}{$corr};
            $s->{ended_sub}{$corr} = $sub;
        } else {
            push @{ $sub->{data} }, { $r->fields(offset => 'varint', ahead => 'varint'), batches => $r->rest };
        }
    }

    # ---- aliases and puts
    sub alias ($s, $topic, %o) {                                        # partition => n | key => bytes; acks; id; confirm (default 1)
        my $id = $o{id} // keys %{ $s->{aliases} };
        $s->{aliases}{$id} = { id => $id, topic => $topic, confirm => 1, acks => 'leader', %o };
        $s->_send_alias($id);
        $id;
    }
    sub _send_alias ($s, $id) {
        my $a = $s->{aliases}{$id};
        my $place = defined $a->{partition} ? 1 : defined $a->{key} ? 2 : 0;
        $s->send($K{ALIAS}, $a->{confirm} ? 1 : 0, varint($id) . chr($place | $ACKS{ $a->{acks} }) . block($a->{topic})
            . ($place == 1 ? varint($a->{partition}) : $place == 2 ? block($a->{key}) : ''));
    }
    sub alias_answer ($s, $id) { $s->wait(sub { $s->{aliases}{$id}{answer} }, 'ALIAS'); $s->{aliases}{$id}{answer} }
    sub put ($s, $alias, $value, %o) {                                  # time => ms (else the broker stamps), key, headers => [[k, v]...]
        push @{ $s->{ring} }, { alias => $alias, value => $value, %o };
        $s->{next}++;
    }
    sub _build ($s, $room) {                                            # the next PUT or PUTB of at most `room` bytes, or nothing
        my ($ring, $i) = ($s->{ring}, $s->{sent});
        my $first = $ring->[$i];
        my $attr = sub ($r) { (defined $r->{key} ? 1 : 0) | ($r->{headers} ? 2 : 0) | (defined $r->{value} ? 0 : 4) };
        my ($alias, $bits, $stamped) = ($first->{alias}, $attr->($first), defined $first->{time});
        my $same = defined $s->{last_alias} && $s->{last_alias} == $alias;
        my $flags = ($same ? 1 : 0) | ($stamped ? 0 : 2) | ($bits ? 4 : 0);
        my $head = ($same ? '' : varint($alias)) . ($bits ? chr $bits : '');
        my ($time, $step) = @$s{qw(time step)};
        my ($single, $many, @changes, $frame, @now) = ('', '');
        my $fits = sub ($body) { my $n = 3 + length $body; $n + length varint($n) <= $room };
        my $count = 0;
        while ($count < $s->{batch} && $i + $count < @$ring) {
            my $r = $ring->[$i + $count];
            last if $r->{alias} != $alias || $attr->($r) != $bits || defined $r->{time} != $stamped;
            my ($enc, $change, @t) = ('', undef, $time, $step);
            if ($stamped) {
                $change = sub64(sub64($r->{time}, $time), $step);
                @t = ($r->{time}, add64($step, $change));
                $enc = zigzag($change);
            }
            $enc .= block($r->{key}) if $bits & 1;
            $enc .= varint(scalar @{ $r->{headers} }) . join '', map { nblock($_->[0]) . nblock($_->[1]) } @{ $r->{headers} } if $bits & 2;
            $single = $enc . ($r->{value} // '') if !$count;
            $enc .= block($r->{value}) unless $bits & 4;
            last unless $fits->($head . ($count ? $many . $enc : $single));
            $many .= $enc; ($time, $step) = @t; push @changes, $change; $count++;
            last if $bits == 4;                                         # a null value without a key goes alone
        }
        return unless $count;
        my ($kind, $body) = $count == 1 ? (PUT => $head . $single) : (PUTB => $head . $many);
        my @v = map { $_->{value} } @$ring[ $i .. $i + $count - 1 ];
        if ($s->{regular} && $count > 1 && !$bits && length $v[0] && !grep { length != length $v[0] } @v
            and !$stamped || !grep { $_ } @changes[ 2 .. $#changes ]) {
            $flags |= 4;
            $body = $head . chr(8) . ($stamped ? zigzag($changes[0]) . zigzag($changes[1]) : '') . varint(length $v[0]) . join '', @v;
        }
        @$s{qw(time step last_alias)} = ($time, $step, $alias);
        $s->{sent} += $count;
        $s->_frame($K{$kind}, $flags, $body);
    }
    sub flush ($s, %o) {                                                # send what the ring holds, waiting for credit
        my $until = Time::HiRes::time() + $s->{timeout};
        while ($s->{sent} < @{ $s->{ring} }) {
            my $room = $s->{credit} < $s->{frame_limit} ? $s->{credit} : $s->{frame_limit};
            if (my $frame = $s->_build($room)) {
                $s->{credit} -= length $frame;
                $s->raw($frame);
                next;
            }
            return $s if $o{nowait};
            $s->pump(0.1) or die $s->{ended};
            die { how => 'client', error => 10, text => 'no credit' } if Time::HiRes::time() > $until;
        }
        $s->pump(0) or die $s->{ended};
        $s;
    }
    sub settle ($s) { $s->wait(sub { !@{ $s->{ring} } }, 'ACK') }

    # ---- requests. Each returns the answer as a hash with `error`; ask() only sends and returns the correlation
    sub ask ($s, $name, $flags, $body, $extra = undef, $corr = ++$s->{corr}) {
        $s->wait(sub { keys(%{ $s->{waiting} }) + keys(%{ $s->{sub} }) + keys(%{ $s->{member} }) < $s->{requests_max} }, 'room for a request') unless $s->{reckless};
        $s->{waiting}{$corr} = [ $name, $extra ];
        $s->send($K{$name}, $flags, $body, $corr);
        $corr;
    }
    sub answer ($s, $corr) { $s->wait(sub { $s->{answer}{$corr} }, 'answer'); delete $s->{answer}{$corr} }
    sub _at ($at) { $at eq 'latest' ? -1 : $at eq 'earliest' ? -2 : $at }
    sub _where ($w) { ref $w ? (0, block($w->[0]) . varint($w->[1])) : (1, varint($w)) }   # [topic, partition] or an alias
    sub ask_fetch ($s, $where, $offset, %o) {
        my ($flag, $at) = _where($where);
        $s->ask(FETCH => $flag, $at . zigzag(_at($offset)) . zigzag($o{epoch} // -1) . varint($o{max} // 32768)
            . varint($o{min} // 1) . varint($o{wait} // 0));
    }
    sub fetch ($s, @a) {
        my $f = $s->answer($s->ask_fetch(@a));
        $f->{records} = [ records($f->{batches}, $f->{offset}) ] unless $f->{error};
        $f;
    }
    sub fetch_all ($s, $topic, $partition, $at = 'earliest') {          # every record up to the high watermark
        my @all;
        while (1) {
            my $f = $s->fetch([ $topic, $partition ], $at);
            die $f if $f->{error};
            push @all, @{ $f->{records} };
            return @all if !@{ $f->{records} } || $all[-1]{offset} + 1 >= $f->{high_watermark};
            $at = $all[-1]{offset} + 1;
        }
    }
    sub offsets ($s, $topic, $partition, $at) { $s->answer($s->ask(OFFSETS => 0, block($topic) . varint($partition) . zigzag(_at($at)))) }
    sub metadata ($s) { $s->answer($s->ask(METADATA => 0, '')) }
    sub create ($s, $name, $partitions = 0, $replicas = 0, %config) {
        $s->answer($s->ask(TOPIC_CREATE => 0, block($name) . varint($partitions) . varint($replicas) . pairs(%config)));
    }
    sub list ($s, $after = '', $max = 0) { $s->answer($s->ask(TOPIC_LIST => 0, block($after) . varint($max))) }
    sub describe ($s, $name, $first = 0, $max = 0) {
        $s->answer($s->ask(TOPIC_DESCRIBE => 0, block($name) . varint($first) . varint($max)));
    }
    sub alter ($s, $name, $partitions, %config) { $s->answer($s->ask(TOPIC_ALTER => 0, block($name) . varint($partitions) . pairs(%config))) }
    sub delete ($s, $name) { $s->answer($s->ask(TOPIC_DELETE => 0, block($name))) }
    sub subscribe ($s, $where, $offset, $credit, $epoch = -1) {         # answer with `corr`; batches arrive in $s->{sub}{corr}{data}
        my ($flag, $at) = _where($where);
        my $corr = $s->ask(SUBSCRIBE => $flag, $at . zigzag(_at($offset)) . zigzag($epoch) . varint($credit), $credit);
        my $answer = $s->answer($corr);
        $answer->{corr} = $corr;
        $answer;
    }
    sub grant ($s, $corr, $bytes) { $s->{sub}{$corr}{credit} += $bytes if $s->{sub}{$corr}; $s->send($K{CREDIT}, 0, varint($bytes), $corr) }
    sub unsubscribe ($s, $corr) {
        $s->send($K{CREDIT}, 1, '', $corr);
        $s->wait(sub { $s->{ended_sub}{$corr} }, 'end of the subscription');
        delete $s->{ended_sub}{$corr};
    }
    sub ping ($s, $body = '') { $s->send($K{PING}, 0, $body); $s->wait(sub { defined $s->{pong} }, 'PONG'); delete $s->{pong} }
    sub close ($s) { $s->send($K{CLOSE}, 0, "\0"); $s->wait_end }
}

1;
