# What the client in Perl and the page it was written from say about a real broker: first the page's examples, byte for byte, then a broker of its own.
# usage: selftest.pl RIVULET PAGE      The last line is `N passed, M failed`. It ends by itself, at the latest after DEADLINE seconds.
use v5.36;
no warnings 'portable';
use FindBin;
use lib $FindBin::Bin;
use rivulet_client;
use rivulet_groups;
use constant DEADLINE => 170 * ($ENV{FACTOR} // 1);
use Time::HiRes qw(sleep time);
my ($BIN, $PAGE) = (shift // 'build/native-release/rivulet', shift // 'src/wire/compact/PROTOCOL.md');
my ($DIR, $PORT, $PID, $good, @bad) = (($ENV{TMPDIR} // '/tmp') . "/store.$$", undef, undef, 0);
# END ends the broker, also then.
sub give_up ($why) { say "FAILED by SIG$why"; exit 1 }
@SIG{qw(TERM INT ALRM)} = (\&give_up) x 3;
alarm DEADLINE;
END { if ($PID) { local $?; kill KILL => $PID; waitpid $PID, 0 } system 'rm', '-rf', $DIR if $DIR && $DIR =~ /store\.\d+/ }
$| = 1;
sub show ($x) { !defined $x ? 'undef' : ref $x eq 'HASH' ? '{' . join(' ', map { "$_=" . show($x->{$_}) } sort keys %$x) . '}'
    : ref $x ? '[' . join(' ', map { show($_) } @$x) . ']' : $x =~ /[^ -~]/ ? unpack 'H*', $x : $x }
sub is ($got, $want, $what) {
    return ++$good if show($got) eq show($want);
    push @bad, $what;
    say "FAILED $what\n   got  " . substr(show($got), 0, 600) . "\n   want " . substr(show($want), 0, 600);
}
sub like ($got, $want, $what) { is({ map { $_ => $got->{$_} } keys %$want }, $want, $what) }      # those fields of a hash
sub test ($what, $code) { say "- $what"; eval { $code->(); 1 } or is('died: ' . (ref $@ ? show($@) : $@), 'to live', $what) }
sub hx ($s) { pack 'H*', $s =~ s/\s+//gr }
sub start (@set) {
    my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die;
    $PORT //= $l->sockport; close $l;
    $PID = fork // die;
    if (!$PID) {
        open STDOUT, '>>', "$DIR.log"; open STDERR, '>&', \*STDOUT;
        # commit_bytes above the credit: what a connection sends at once is not granted again before the commit interval is over
        exec $BIN, 'serve', map { ('--set', $_) } "storage.dir=$DIR", 'storage.size=64M', 'storage.commit_bytes=1M', "listener.compact.bind=127.0.0.1:$PORT", @set;
    }
    for (1 .. 200) { return if eval { client()->connect->close }; sleep 0.05 }
    die "broker does not start: $DIR.log";
}
sub stop ($sig = 'TERM') { kill $sig => $PID; waitpid $PID, 0; undef $PID }
sub client (%o) { Rivulet->new(port => $PORT, name => 'selftest', %o) }
sub cl (%o) { client(%o)->connect }
sub now { int(time * 1000) }
sub values_of (@r) { [ map { $_->{value} } @r ] }

require "$FindBin::Bin/selftest_groups.pl";
test 'the examples of the page' => sub {
    open my $f, '<', $PAGE or die; local $/; my $page = <$f>; my %hex;
    $hex{$1} = hx(join '', map { s/\|.*//r } split /\n/, $2) while $page =~ /```hex ([^\n]+)\n(.*?)```/gs;
    my ($T, %seen) = (1_700_000_000_000);
    my $c = Rivulet->new(session => 0x1122334455667788, incarnation => 0xa1b2c3d4, next => 41, base_time => $T, limit => 1024, features => 1, name => 'boiler-3');
    my $up = sub ($what, $code) { $c->{out} = ''; my $x = $code->(); $seen{$what}++; is($c->{out}, $hex{$what}, "hex $what") };
    my $down = sub ($what) { $seen{$what}++; $c->{in} = $hex{$what}; is($c->_take, 1, "hex $what is taken"); is($c->{in}, '', "hex $what whole") };
    my $put = sub ($what, @r) { $up->($what, sub { $c->put(@$_) for @r; $c->raw($c->_build(1024)) }) };
    $up->('OPEN', sub { $c->send(1, 0, $c->open_body) });
    $down->('OPEN answer');
    is($c->{open}, { trusted => 1, version => 1, features => 1, state => 2, last => 40, credit => 15360, time => $T + 250, frame_limit => 8192,
        aliases_max => 16, requests_max => 8, idle_ms => 60000, software => 'rivulet 0.1.0' }, 'OPEN answer');
    $up->('ALIAS partition', sub { $c->alias('temps', partition => 3) });
    $up->('ALIAS key', sub { $c->alias('events', key => 'boiler-3', acks => 'all', confirm => 0) });
    $down->('ALIAS answer'); is($c->alias_answer(0), { id => 0, error => 0, partition => 3, limit => 8000 }, 'ALIAS answer');
    $down->('ALIAS refused'); is($c->alias_answer(1), { id => 1, error => 32, text => 'events' }, 'ALIAS refused');
    $put->('PUT', [ 0, '21.5', time => $T + 1000 ]);
    $put->('PUT same alias', [ 0, '21.6', time => $T + 2003 ]);
    $put->('PUT unstamped', [ 1, 'on' ]);
    $put->('PUT key headers', [ 0, '21.7', time => $T + 3000, key => 'k7', headers => [ [ 'unit', 'C' ], [ 'raw', undef ] ] ]);
    $put->('PUT tombstone', [ 0, undef, key => 'k7' ]);
    $put->('PUTB', [ 0, '21.8', time => $T + 4000 ], [ 0, '21.85', time => $T + 5002 ], [ 0, '', time => $T + 5999 ]);
    $put->('PUTB regular', map { [ 0, $_->[0], time => $T + $_->[1] ] } [ aa => 7000 ], [ bb => 7500 ], [ cc => 8000 ]);
    $down->('ACK refusal'); is([ @$c{qw(position refused)} ], [ 48, [ [ 43, 43, 32 ] ] ], 'ACK refusal');
    $down->('ACK'); is([ @$c{qw(position credit)} ], [ 51, 1024 + 15360 + 81 + 15 ], 'ACK');
    $c->{out} = ''; $down->('PING'); is($c->{out}, $hex{PONG}, 'hex PONG'); $down->('PONG'); is(delete $c->{pong}, 'p1', 'PONG');
    $up->('PING', sub { $c->send(6, 0, 'p1') });
    $up->('CLOSE', sub { $c->send(9, 0, "\0") });
    $down->('CLOSE broker'); is(delete $c->{ended}, { how => 'CLOSE', error => 54 }, 'CLOSE broker');
    $down->('ERROR'); is(delete $c->{ended}, { how => 'ERROR', error => 8, detail => 9, text => 'alias 9' }, 'ERROR');
    no warnings 'redefine'; local *Rivulet::answer = sub ($s, $corr) { {} }; $c->{requests_max} = 99;
    my $ask = sub ($what, $corr, $answer, $want, $code) {
        $c->{corr} = $corr - 1; $up->($what, $code);
        $down->($answer); my $a = delete $c->{answer}{$corr}; delete @$a{ grep { !exists $want->{$_} } qw(error more) }; is($a, $want, $answer);
    };
    my @log = (log_start => 0, high_watermark => 1004, durable_end => 1006, log_end => 1010);
    my $id = '10111213-1415-4617-9819-1a1b1c1d1e1f';
    $ask->('FETCH', 7, 'FETCH answer', { offset => 1000, epoch => 2, @log, batches => '<record batches>' }, sub { $c->ask_fetch([ temps => 3 ], 1000, max => 65536, wait => 500) });
    $ask->('FETCH by alias', 8, 'FETCH failed', { error => 39, detail => 1010, text => '' }, sub { $c->ask_fetch(0, 'earliest', max => 65536, wait => 500) });
    $ask->('OFFSETS', 9, 'OFFSETS answer', { offset => 1004, time => -1, epoch => 2 }, sub { $c->offsets('temps', 3, 'latest') });
    $ask->('OFFSETS by time', 18, 'OFFSETS by time answer', { offset => 1000, time => $T + 1040, epoch => 2 }, sub { $c->offsets('temps', 3, $T + 1000) });
    $ask->('METADATA', 10, 'METADATA answer', { cluster => $id, node => 1, controller => 1, nodes => [ map { { id => $_, host => '192.168.7.1' . ($_ - 1), port => 9192 } } 1, 2 ] }, sub { $c->metadata });
    { no warnings 'redefine'; local *Rivulet::pairs = sub { hx('0c72 65 74 65 6e 74 69 6f 6e 2e 6d 73 08 38 36 34 30 30 30 30 30 0a 64 75 72 61 62 69 6c 69 74 79 04 64 69 73 6b 00') };   # order of pairs
    $ask->('TOPIC_CREATE', 11, 'TOPIC_CREATE answer', { id => $id, partitions => 4, replicas => 1 }, sub { $c->create('temps', 4, 1, 'retention.ms' => 86400000, durability => 'disk') }); }
    $ask->('TOPIC_LIST', 12, 'TOPIC_LIST answer', { more => 1, topics => [ { name => 'temps', id => $id, partitions => 4, replicas => 1, durability => 0 } ] }, sub { $c->list('events', 100) });
    $ask->('TOPIC_DESCRIBE', 13, 'TOPIC_DESCRIBE answer', { more => 1, id => $id, partitions => 4, replicas => 1, durability => 0, config => { 'retention.ms' => 86400000 },
        list => [ { partition => 0, leader => 1, epoch => 2, @log, bytes => 65000, fenced_ranges => 1, replicas => [1], isr => [1], fenced => [ [ 200, 20 ] ] } ] }, sub { $c->describe('temps') });
    $ask->('TOPIC_ALTER', 19, 'TOPIC_ALTER answer', {}, sub { $c->alter('temps', 0, 'retention.ms' => '') });
    $ask->('TOPIC_DELETE', 14, 'TOPIC_DELETE answer', {}, sub { $c->delete('temps') });
    $ask->('SUBSCRIBE', 15, 'SUBSCRIBE answer', { offset => 0, epoch => 2, @log }, sub { $c->subscribe([ temps => 3 ], 'earliest', 8192) });
    $down->('DATA'); is($c->{sub}{15}, { credit => 8192 - 22, data => [ { offset => 0, ahead => 1004, batches => '<record batches>' } ] }, 'DATA');
    $up->('CREDIT', sub { $c->grant(15, 22) }); $up->('CREDIT end', sub { $c->send(20, 1, '', 15) });
    $down->('DATA end'); is($c->{ended_sub}{15}{end}, { error => 0 }, 'DATA end');
    group_examples($c, $up, $down, $ask);
    is([ grep { !$seen{$_} } sort keys %hex ], [], 'every example was covered');
    my ($batch) = $page =~ /```batch\n(.*?)```/s; my @r = Rivulet::records(hx(join '', map { s/\|.*//r } split /\n/, $batch));
    is([ map { [ $_->{offset}, $_->{time} - $T, @$_{qw(key value headers)} ] } @r ], [ [ 0, 123, 'sensor-1', '{"t":21.5}', [ [ 'unit', 'celsius' ], [ 'site', undef ] ] ],
        [ 1, 100, undef, 'plain', [] ], [ 2, 1500, 'tombstone', undef, [] ], [ 3, 1500, '', '', [ [ '', '' ] ] ] ], 'record batch');
    my %hash = $page =~ /(0x[0-9a-f]+) of "(\w+)"/g; is({ reverse %hash }, { map { $_ => sprintf '0x%x', Rivulet::murmur2($_) } qw(21 abc) }, 'murmur2 of the page');
    is(Rivulet::crc32c('123456789'), 0xe3069283, 'CRC-32C');
    is([ map { Rivulet::zigzag($_) } 0, -1, 1, -2 ], [ map { chr } 0 .. 3 ], 'zigzag');
    is([ map { Rivulet::murmur2($_) } '21', 'foobar' ], [ 4294967296 - 973932308, 4294967296 - 790332482 ], "murmur2, Kafka's test vectors");
};

start();
test 'topics' => sub {
    my $c = cl();
    is($c->{open}{state}, 0, 'no session');
    for (qw(beta alpha gamma)) { like($c->create($_, 3, 1, 'retention.ms' => 86400000), { error => 0, partitions => 3, replicas => 1 }, "create $_") }
    is([ map { $_->{name} } @{ $c->list->{topics} } ], [qw(alpha beta gamma)], 'list');
    my $l = $c->list('alpha', 1); is([ $l->{more}, map { $_->{name} } @{ $l->{topics} } ], [ 1, 'beta' ], 'list page');
    my $d = $c->describe('beta'); is([ $d->{partitions}, $d->{config}{'retention.ms'}, map { $_->{partition} } @{ $d->{list} } ], [ 3, 86400000, 0, 1, 2 ], 'describe');
    $d = $c->describe('beta', 1, 1); is([ $d->{more}, map { $_->{partition} } @{ $d->{list} } ], [ 1, 1 ], 'describe page');
    is($c->alter('beta', 0, 'retention.ms' => 1000000)->{error}, 0, 'alter'); is($c->describe('beta')->{config}{'retention.ms'}, 1000000, 'altered');
    is($c->alter('beta', 0, 'retention.ms' => '')->{error}, 0, 'alter back'); is($c->describe('beta')->{config}{'retention.ms'}, -1, 'altered back');
    is($c->delete('gamma')->{error}, 0, 'delete'); is([ map { $_->{name} } @{ $c->list->{topics} } ], [qw(alpha beta)], 'deleted');
    my $m = $c->metadata; is([ $m->{error}, scalar @{ $m->{nodes} }, $m->{nodes}[0]{port} ], [ 0, 1, $PORT ], 'metadata');
    is($c->ping('0123456789abcdef'), '0123456789abcdef', 'ping'); is($c->ping, '', 'empty ping');
    is($c->close, { how => 'CLOSE', error => 0 }, 'close');
};
test 'puts of every form, fetch, offsets' => sub {
    my $c = cl(session => 11); my $t = now;
    is($c->{open}{state}, 1, 'fresh');
    my @a = ($c->alias('alpha', partition => 1), $c->alias('alpha', acks => 'all'), $c->alias('alpha', key => 'dk', acks => 'none'));
    is([ map { my $x = $c->alias_answer($_); "$x->{error} $x->{partition}" } @a ], [ '0 1', undef, undef ]->[0] ? [ '0 1', "0 " . $c->alias_answer(1)->{partition}, '0 ' . Rivulet::partition_of('dk', 3) ] : 0, 'alias answers');
    say "  partition of an alias by key, answer: " . $c->alias_answer(1)->{partition};
    $c->put(0, "v$_", time => $t + 1000 * $_) for 0 .. 9;                                  # regular
    $c->put(0, "w" x $_, time => $t + 10000 + 7 * $_ * $_) for 0 .. 9;                      # packed, one empty
    $c->put(0, "u$_") for 0 .. 2; $c->flush;
    $c->put(0, 'key', time => $t + 20000, key => 'k', headers => [ [ h => 'x' ], [ n => undef ], [ '', '' ] ]);
    $c->put(0, undef, key => 'dead', time => $t + 20001) for 1, 2;
    $c->put(0, undef, time => $t + 20002); $c->put(0, '', time => $t - 5000);
    $c->put(1, "by$_", key => "k$_") for 0 .. 29; $c->put(2, "dk$_") for 0 .. 4; $c->put(2, "own", key => 'k1'); $c->put(1, "nokey$_") for 0 .. 3;
    $c->flush->settle; is($c->{refused}, [], 'nothing refused');
    my @r = $c->fetch_all('alpha', 1);
    is([ map { [ $_->{time} - $t, $_->{key}, $_->{value}, $_->{headers} ] } grep { ($_->{value} // '') !~ /^(u\d|by|dk|own|nokey)/ } @r ],
       [ (map { [ 1000 * $_, undef, "v$_", [] ] } 0 .. 9), (map { [ 10000 + 7 * $_ * $_, undef, 'w' x $_, [] ] } 0 .. 9),
         [ 20000, 'k', 'key', [ [ h => 'x' ], [ n => undef ], [ '', '' ] ] ], ([ 20001, 'dead', undef, [] ]) x 2, [ 20002, undef, undef, [] ], [ -5000, undef, '', [] ] ], 'partition 1');
    my @u = grep { ($_->{value} // '') =~ /^u\d/ } @r; say "  stamped by the broker (clock trusted: $c->{open}{trusted}): @{[ map { $_->{time} } @u ]}"; is(scalar @u, 3, 'unstamped');
    my @all = map { my $p = $_; map { { %$_, p => $p } } $c->fetch_all('alpha', $p) } 0 .. 2;
    is([ map { $_->{value} } grep { defined $_->{key} && $_->{key} =~ /^k\d/ && $_->{p} != Rivulet::partition_of($_->{key}, 3) } @all ], [], 'murmur2');
    is([ map { "$_->{value} $_->{key}" } grep { ($_->{value} // '') =~ /^(dk|own)/ && $_->{p} == Rivulet::partition_of('dk', 3) && $_->{key} eq 'dk' } @all ], [ map { "dk$_ dk" } 0 .. 4 ], 'default key');
    my @nk = grep { ($_->{value} // '') =~ /^nokey/ } @all; is([ scalar @nk, scalar grep { $_->{p} == $nk[0]{p} } @nk ], [ 4, 4 ], 'without a key: one partition');
    my $f = $c->fetch(0, 5); is($f->{records}[0]{value}, 'v5', 'fetch by alias, in the middle'); is($f->{offset}, 5, 'offset');
    $f = $c->fetch([ alpha => 1 ], 'latest'); is([ scalar @{ $f->{records} }, $f->{offset} ], [ 0, $f->{high_watermark} ], 'fetch latest');
    my $o = $c->offsets('alpha', 1, $t + 4500); is([ @$o{qw(error offset time)} ], [ 0, 5, $t + 5000 ], 'offsets by time');
    like($c->offsets('alpha', 1, 'earliest'), { error => 0, offset => 0, time => -1 }, 'earliest');
    like($c->offsets('alpha', 1, 'latest'), { error => 0, offset => $f->{high_watermark}, time => -1 }, 'latest');
    like($c->offsets('alpha', 1, $t + 3600_000), { error => 0, offset => $f->{high_watermark}, time => -1 }, 'none so late');
    my $t0 = time; my $corr = $c->ask_fetch([ alpha => 1 ], 'latest', wait => 3000); is($c->ping('x'), 'x', 'ping beside a parked fetch');
    is($c->list->{error}, 0, 'list beside a parked fetch'); $c->put(0, 'late'); $c->flush;
    my $a = $c->answer($corr); is([ map { $_->{value} } Rivulet::records($a->{batches}, $a->{offset}) ], ['late'], 'parked fetch'); is(time - $t0 < 2, 1, 'at once');
    $c->settle->close;
};
test 'without a session, all in one packet, small limits' => sub {
    my $c = client(limit => 256)->connect(nowait => 1);
    $c->alias('beta', partition => 0); $c->put(0, "x$_", time => now) for 1 .. 5;
    $c->flush->settle; is($c->alias_answer(0)->{error}, 0, 'alias');
    is(values_of($c->fetch_all('beta', 0)), [ map { "x$_" } 1 .. 5 ], 'fetched within 256 bytes'); $c->close;
    $c = cl(); $c->alias('beta', partition => 0); my @big = map { chr(64 + $_) x 20000 } 1 .. 26; $c->put(0, $_) for @big; $c->flush->settle;
    is([ map { length } @{ values_of($c->fetch_all('beta', 0, 5)) } ], [ (20000) x 26 ], 'more than the credit'); $c->close;
};
test 'subscription' => sub {
    my $c = cl(); $c->create('subs', 1); my $p = cl(); $p->alias('subs', partition => 0); $p->put(0, "s$_") for 1 .. 50; $p->flush->settle;
    my $s = $c->subscribe([ subs => 0 ], 'earliest', 4000); is($s->{error}, 0, 'subscribe'); my @got;
    my $take = sub ($n) { eval { $c->wait(sub { push @got, Rivulet::records($_->{batches}, $_->{offset}) for splice @{ $c->{sub}{ $s->{corr} }{data} }; @got >= $n }, 'data', 3) } };
    $take->(50); is(values_of(@got), [ map { "s$_" } 1 .. 50 ], 'pushed'); @got = ();
    $p->put(0, 'y' x 3000) for 1 .. 4; $p->flush->settle; $take->(4); my $few = @got; is($c->{sub}{ $s->{corr} }{credit} <= 0, 1, 'credit is used up');
    $c->grant($s->{corr}, 20000); $take->(4); is(scalar @got, 4, 'after a grant'); is($c->unsubscribe($s->{corr})->{end}, { error => 0 }, 'end');
    $s = $c->subscribe([ subs => 0 ], 'latest', 100); is($s->{error}, 0, 'again'); $c->delete('subs');
    $c->wait(sub { $c->{ended_sub}{ $s->{corr} } }, 'end'); is($c->{ended_sub}{ $s->{corr} }{end}{error}, 32, 'topic deleted'); $_->close for $c, $p;
};
test 'exactly once over kill -9' => sub {
    my $c = cl(session => 77); $c->create('xo', 4); $c->create('one', 2); $c->alias('xo', acks => 'leader'); $c->alias('one', partition => 1, acks => 'all');
    my ($t, @want, $kills) = (now); my $again = 0;
    for my $i (0 .. 999) {
        my $key = 'k' . $i % 37; my $which = $i % 5 == 4;
        push @{ $want[ $which ? 4 : Rivulet::partition_of($key, 4) ] }, "r$i";
        $c->put($which ? 1 : 0, "r$i", time => $t + 10 * $i, $which ? () : (key => $key));
        $c->flush if $i % 7 == 0;
        $c->flush->settle if $i == 100;
        if ($i =~ /^(211|350|500|777)$/) {
            $c->flush(nowait => 1); syswrite $c->{sock}, $c->{out} if length $c->{out};
            sleep { 211 => 0, 350 => 0.008, 500 => 0.5, 777 => 0.025 }->{$i};               # before, while or after it is stored; the acks stay unread
            stop('KILL'); $kills++; start(); $again += @{ $c->{ring} };
            my $had = 0; $had += grep { ($_->{value} // '') =~ /^r\d/ } cl()->fetch_all(@$_) for (map { [ 'xo', $_ ] } 0 .. 3), [ 'one', 1 ];
            $c->connect; say "  kill $kills: $had stored, again from $c->{base}: " . @{ $c->{ring} } . ", state $c->{open}{state} last $c->{open}{last}";
            is($c->{open}{state}, 2, 'resumed');
        }
    }
    $c->flush->settle; is([ $c->{acked}, $c->{refused} ], [ 1000, [] ], 'all settled');
    is([ map { values_of($c->fetch_all($_ < 4 ? ('xo', $_) : ('one', 1))) } 0 .. 4 ], \@want, "1000 readings exactly once and in order ");
    is($again > 0, 1, 'something was sent again'); say "  $kills kills, $again sent again";
    $c->close;
    my $d = cl(session => 77, incarnation => 5); is($d->{open}{state}, 1, 'new incarnation: fresh'); $d->close;
};
# What ends a connection: code makes the bytes, then the end is compared
sub ends ($what, $want, $code, %o) {
    my $bare = delete $o{bare};
    my $c = client(reckless => 1, %o); $c->connect($bare ? (bare => 1) : ());
    $code->($c); my $end = $c->wait_end(3) // { how => 'nothing', open => $c->{open}, answers => $c->{answer} };
    like($end, $want, $what);
}
sub err ($e, $detail = undef) { { how => 'ERROR', error => $e, defined $detail ? (detail => $detail) : () } }
my ($v, $z) = (\&Rivulet::varint, \&Rivulet::zigzag);
test 'section 8: ERROR' => sub {
    my $open = sub (%o) { sub ($c) { $c->{$_} = $o{$_} for keys %o; $c->send(1, $o{flags} // 0, $c->open_body . ($o{more} // '')) } };
    ends('version 2', err(3, 1), $open->(version => 2), bare => 1);
    ends('OPEN without integrity', err(5), sub ($c) { my $b = $c->open_body; substr($b, 3, 1) = "\2"; $c->send(1, 0, $b) }, bare => 1);
    ends('base sequence 0', err(5), $open->(base => 0), bare => 1);
    ends('base sequence above 2^62', err(5), $open->(base => (1 << 62) + 1), bare => 1);
    ends('frame limit 255', err(5), $open->(limit => 255), bare => 1);
    ends('name of 65', err(5), $open->(name => 'n' x 65), bare => 1);
    ends('bytes left over in OPEN', err(2), $open->(more => 'x'), bare => 1);
    ends('flag of OPEN', err(2), $open->(flags => 1), bare => 1);
    ends('bad magic', err(2), sub ($c) { $c->send(1, 0, 'rx' . substr $c->open_body, 2) }, bare => 1);
    ends('OPEN cut', err(2), sub ($c) { $c->send(1, 0, substr $c->open_body, 0, 9) }, bare => 1);
    ends('check of OPEN wrong', err(9), sub ($c) { $c->raw($c->_frame(1, 0, $c->open_body) ^. "\0" x 10 . "\1") }, bare => 1);
    ends('PING before OPEN', err(6), sub ($c) { $c->send(6, 0, '') }, bare => 1);
    ends('PUT before OPEN', err(6), sub ($c) { $c->send(3, 0, "\0\0x") }, bare => 1);
    ends('257 bytes before OPEN', err(7), sub ($c) { $c->raw(hx('ff01 01') . 'x' x 254) }, bare => 1);
    ends('2nd OPEN', err(6), sub ($c) { $c->send(1, 0, $c->open_body) });
    ends("$_->[0] from a client", err(6), sub ($c) { $c->send($_->[1], 0, $_->[2], $_->[3]) }) for [ ACK => 5, "\0\0" ], [ DATA => 19, "\0\0", 1 ];
    ends('length 0', err(2), sub ($c) { $c->raw("\0") });
    ends('length not minimal', err(2), sub ($c) { $c->raw("\x82\0\6\0") });
    ends('PING of 17', err(2), sub ($c) { $c->send(6, 0, 'x' x 17) });
    ends('flag of PING', err(2), sub ($c) { $c->send(6, 1, '') });
    ends('flag of PUT on METADATA', err(2), sub ($c) { $c->send(12, 4, '', 1) });
    ends('METADATA with a body', err(2), sub ($c) { $c->send(12, 0, 'x', 1) });
    ends('correlation 2^32', err(2), sub ($c) { $c->send(12, 0, '', 2**32) });
    ends('TOPIC_DELETE cut', err(2), sub ($c) { $c->send(17, 0, "\5abc", 1) });
    ends('TOPIC_CREATE without end of pairs', err(2), sub ($c) { $c->send(13, 0, "\1q\1\1", 1) });
    for my $k (0, 24 .. 31) { ends("kind $k", err(4, $k), sub ($c) { $c->send($k, 0, "\1") }) }
    for my $k (18, 20) { ends("kind $k without push", err(4, $k), sub ($c) { $c->send($k, 0, $k == 18 ? "\5alpha\0\1\1\x7f" : "\1", 1) }, features => 1) }
    group_errors();
    ends('frame above the limit', err(7), sub ($c) { $c->raw($v->($c->{frame_limit}) . "\3") });
    ends('placement 3', err(2), sub ($c) { $c->send(2, 0, "\0\7\5alpha\0") });
    ends('acks 3', err(2), sub ($c) { $c->send(2, 0, "\0\x0c\5alpha") });
    ends('high bit of how', err(2), sub ($c) { $c->send(2, 0, "\0\x14\5alpha") });
    ends('alias id at the limit', err(38), sub ($c) { $c->alias('alpha', id => $c->{aliases_max}) });
    ends('PUT to an alias never given', err(8), sub ($c) { $c->send(3, 0, "\5\0x") });
    ends('same alias at first', err(8), sub ($c) { $c->alias('alpha'); $c->send(3, 1, "\0x") });
    ends('check of PUT wrong', err(9), sub ($c) { $c->alias('alpha'); $c->raw($c->_frame(3, 0, "\0\0x") ^. "\0\0\0\0\1") });
    my $put = sub ($kind, $flags, $body) { sub ($c) { $c->alias('alpha', partition => 2); $c->send($kind, $flags, $body) } };
    ends("PUT attributes $_", err(2), $put->(3, 4, "\0" . chr($_) . "\0x")) for 0, 8, 16, 32, 64, 128;
    ends('PUT null value with a value', err(2), $put->(3, 4, "\0\5\0\1kx"));
    ends('PUT without a change', err(2), $put->(3, 0, "\0"));
    ends('PUT header key null', err(2), $put->(3, 4, "\0\2\0\1\1\0x"));
    ends('PUT header count beyond the body', err(2), $put->(3, 4, "\0\2\0\x50\2ax"));
    ends('PUTB of nothing', err(2), $put->(4, 0, "\0"));
    ends('PUTB cut', err(2), $put->(4, 0, "\0\0\5ab"));
    ends('PUTB null without key', err(2), $put->(4, 4, "\0\4\0\0"));
    ends('PUTB regular with key', err(2), $put->(4, 4, "\0\x09\0\0\2aabb"));
    ends('PUTB regular: not a multiple', err(2), $put->(4, 4, "\0\x08\0\0\2aab"));
    ends('PUTB regular: 0 bytes', err(2), $put->(4, 4, "\0\x08\0\0\0aab"));
    ends('PUTB regular: no values', err(2), $put->(4, 4, "\0\x08\0\0\2"));
    my $d = cl(); $d->create('late', 1, 1, 'commit.interval.ms' => 10000); $d->close;
    ends('credit exceeded', err(10), sub ($c) { $c->alias('late'); my $n = $c->{frame_limit} - 100; for (0 .. $c->{credit} / $n + 1) { $c->send(3, 0, "\0\0" . 'x' x $n) } });
    ends('too many requests', err(38), sub ($c) { $c->ask_fetch([ alpha => 0 ], 'latest', wait => 9000) for 0 .. $c->{requests_max} });
    ends('credit of a subscription above 2^31 - 1', err(5), sub ($c) { $c->send(18, 0, "\5alpha\0\1\1" . $v->(1 << 31), 1) });
    ends('epoch -2', err(2), sub ($c) { $c->ask_fetch([ alpha => 1 ], 0, epoch => -2) });
    ends('offsets at -3', err(2), sub ($c) { $c->ask(OFFSETS => 0, "\5alpha\0" . $z->(-3)) });
    ends('offset -3', err(2), sub ($c) { $c->ask_fetch([ alpha => 1 ], -3) });
    ends('a subscription on the correlation of another', err(5), sub ($c) { $c->send(18, 0, "\5alpha\0\1\1\x7f", 1) for 1, 2; $c->{waiting}{1} = ['SUBSCRIBE', 127] });
};
test 'section 8: answers and refusals' => sub {
    my $c = cl(); my $e = sub ($want, $what, $a) { like($a, ref $want ? $want : { error => $want }, $what) };
    $e->(33, 'topic exists', $c->create('alpha', 1)); $e->(34, "name '$_'", $c->create($_, 1)) for '', '.', 'a b', 'x' x 250, "\xff\xfe";
    $e->(38, 'partitions', $c->create('many', 2**31)); $e->(36, 'replication factor', $c->create('repl', 1, 3)); $e->(37, 'no such key', $c->create('conf', 1, 1, 'no.such' => 1));
    $e->(37, 'a key twice', $c->answer($c->ask(TOPIC_CREATE => 0, "\4conf\1\1" . ("\x0cretention.ms\1" . '5') x 2 . "\0")));
    $e->(37, 'bad value', $c->create('conf', 1, 1, 'retention.ms' => 'soon')); $e->(37, 'alter durability', $c->alter('alpha', 0, durability => 'memory'));
    $e->(37, 'alter: bad among good', $c->alter('alpha', 0, 'retention.ms' => 5, 'nope' => 1)); is($c->describe('alpha')->{config}{'retention.ms'}, 86400000, 'none applied');
    $e->(35, 'fewer partitions', $c->alter('alpha', 2)); $e->(38, 'more partitions than there may be', $c->alter('alpha', 5000)); $e->(0, 'alter same partitions', $c->alter('alpha', 3)); $e->(38, 'too many partitions', $c->create('much', 5000));
    $e->(32, 'unknown', $_) for $c->alter('nix', 0), $c->delete('nix'), $c->describe('nix'), $c->fetch([ nix => 0 ], 0), $c->fetch([ alpha => 3 ], 0), $c->offsets('nix', 0, 'latest'), $c->subscribe([ nix => 0 ], 0, 1), $c->offsets('alpha', 3, 0);
    my $end = $c->offsets('alpha', 1, 'latest')->{offset}; $e->({ error => 39, detail => $end }, 'beyond the end', $c->fetch([ alpha => 1 ], $end + 1)); $e->(0, 'at the end', $c->fetch([ alpha => 1 ], $end));
    $e->(39, 'subscribe beyond the end', $c->subscribe([ alpha => 1 ], $end + 1, 100)); 
    my $epoch = $c->fetch([ alpha => 1 ], 0)->{epoch}; $e->(41, 'epoch above', $c->fetch([ alpha => 1 ], 0, epoch => $epoch + 1)); $e->(0, 'epoch', $c->fetch([ alpha => 1 ], 0, epoch => $epoch));
    $e->(40, 'epoch below', $c->fetch([ alpha => 1 ], 0, epoch => $epoch - 1)) if $epoch > 0; say "  epoch $epoch"; $e->(8, 'fetch by unknown alias', $c->fetch(7, 0)); $e->(8, 'subscribe by unknown alias', $c->subscribe(7, 0, 1));
    $c->alias('alpha'); $e->(5, 'fetch by an alias without one partition', $c->fetch(0, 0)); my $d = client(limit => 256)->connect; $e->(18, 'batch above the frame limit', $d->fetch([ beta => 0 ], 5, max => 250)); 
    my $s = $d->subscribe([ beta => 0 ], 5, 300); $d->wait(sub { $d->{ended_sub}{ $s->{corr} } }, 'end'); is($d->{ended_sub}{ $s->{corr} }{end}{error}, 18, 'subscription: batch above the frame limit'); $d->close;
    $c->create('small', 1, 1, 'max.message.bytes' => 1024); $c = cl(session => 99); my @a = map { $c->alias(@$_) } [ 'nix' ], [ 'small', partition => 0 ], [ 'alpha', partition => 9 ];
    is([ map { $c->alias_answer($_)->{error} } @a ], [ 32, 0, 32 ], 'aliases'); say '  reading limit of small: ' . $c->alias_answer(1)->{limit};
    $c->put(1, 'fits'); $c->put(0, "gone$_") for 1 .. 3; $c->put(1, 'z' x 2000); $c->put(2, 'p9'); $c->put(1, 'far', time => 2**62); $c->put(1, 'neg', time => -5); $c->put(1, 'fits too'); $c->flush->settle;
    is([ map { my $r = $_; map { "$_:$r->[2]" } $r->[0] .. $r->[1] } sort { $a->[0] <=> $b->[0] } @{ $c->{refused} } ], [ '2:32', '3:32', '4:32', '5:18', '6:32', '7:20', '8:20' ], 'refusals');
    is(values_of($c->fetch_all('small', 0)), [ 'fits', 'fits too' ], 'the others'); $c->close;
};
test 'sessions: two connections, moved, gaps, evicted' => sub {
    my $c = cl(session => 5, incarnation => 1); my $d = cl(session => 5, incarnation => 1); is($c->wait_end, { how => 'CLOSE', error => 86 }, 'same incarnation: canceled');
    my $e = cl(session => 5, incarnation => 2); is($d->wait_end, { how => 'CLOSE', error => 55 }, 'another: session_moved'); is(eval { $d->connect; 1 } // $@->{error}, 55, 'does not come back');
    $e->alias('alpha', partition => 0); $e->put(0, "e$_") for 1 .. 5; $e->flush->settle->close;
    $e = cl(session => 5, incarnation => 2, next => 10); is([ @{ $e->{open} }{qw(state last)} ], [ 2, 5 ], 'a gap'); $e->alias('alpha', partition => 0); $e->put(0, 'e10'); $e->flush->settle->close;
    $e = cl(session => 5, incarnation => 2, next => 4); is([ @{ $e->{open} }{qw(state last)} ], [ 2, 3 ], 'resumed'); $e->alias('alpha', partition => 0); $e->put(0, "e$_") for 4 .. 12; $e->flush->settle->close;
    is([ grep { /^e/ } @{ values_of(cl()->fetch_all('alpha', 0)) } ], [ map { "e$_" } 1 .. 5, 10 .. 12 ], 'back below what is settled: not stored again');
    $e = cl(session => 123456, next => 50); is($e->{open}{state}, 3, 'unknown session with a base above 1: forgotten'); $e->close;
};
test_groups();
test 'shutting down' => sub {
    my $c = cl(); my $corr = $c->ask_fetch([ alpha => 0 ], 'latest', wait => 60000); my $s = $c->subscribe([ alpha => 1 ], 'latest', 1000); $c->ping;
    kill TERM => $PID; like($c->wait_end, { how => 'CLOSE', error => 54 }, 'CLOSE'); is($c->{answer}{$corr}{error}, 54, 'parked fetch'); waitpid $PID, 0; undef $PID;
};
start(qw(limits.sessions=16 limits.connections=4 limits.tls_connections=4 limits.tls_handshakes=4 limits.parked_fetches=1));
test 'limits' => sub {
    my $c = cl(session => 1000); $c->alias('alpha', partition => 0); $c->put(0, 's1000'); $c->flush->settle; $c->close;
    for my $s (1001 .. 1030) { my $x = cl(session => $s); $x->alias('alpha', partition => 0); $x->put(0, "s$s"); $x->flush->settle; $x->close }
    $c->connect; is($c->{open}{state}, 3, 'evicted: forgotten'); $c->close;
    my @c = map { cl() } 1 .. 4; my $x = client(); is(eval { $x->connect; 'open' } // { %{$@}, text => '' }, { how => 'ERROR', error => 49, detail => 4, text => '' }, 'too many connections'); $_->close for @c;
    $c = cl(); $c->ask_fetch([ alpha => 0 ], 'latest', wait => 5000); my $a = $c->fetch([ alpha => 1 ], 'latest', wait => 5000); like($a, { error => 48 }, 'parked fetches: busy'); $c->close;
    my @silent = map { client()->connect(bare => 1) } 1 .. 4; sleep 0.4; $x = cl(); like($silent[0]->wait_end(2), { how => 'ERROR', error => 49 }, 'the oldest silent one makes room'); $_->{ended} or close $_->{sock} for @silent; $x->close;
};
stop();
say "FAILED: $_" for @bad;
printf "%d passed, %d failed\n", $good, scalar @bad;
exit !!@bad;
