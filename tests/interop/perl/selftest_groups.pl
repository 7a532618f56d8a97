# The part of the self test that is about consumer groups. selftest.pl has the helpers, and calls group_examples, group_errors and test_groups.
use v5.36;
no warnings 'portable';
use Time::HiRes qw(sleep time);
my ($v, $z) = (\&Rivulet::varint, \&Rivulet::zigzag);

sub group_examples ($c, $up, $down, $ask) {
    $up->('ASSIGN join', sub { $c->{corr} = 15; $c->ask_join('alarms', ['temps'], client => 'panel', assignor => 'sticky', session => 45000, rebalance => 60000, auto => 5000, credit => 8192) });
    $down->('ASSIGN joined'); is(delete $c->{answer}{16}, { error => 0, id => 'panel-1', generation => 7 }, 'ASSIGN joined');
    $down->('ASSIGN assigned'); my $m = $c->{member}{16};
    is([ @$m{qw(generation told slots)} ], [ 7, 1, { 0 => { topic => 'temps', partition => 2, at => 1000, epoch => 2 }, 1 => { topic => 'temps', partition => 3, at => -1, epoch => 2 } } ], 'ASSIGN assigned');
    $down->('DATA slot');
    is([ $m->{credit}, delete $m->{data} ], [ 8192 - 23, [ { slot => 0, size => 23, topic => 'temps', partition => 2, offset => 1000, ahead => 4, batches => '<record batches>' } ] ], 'DATA slot');
    $m->{data} = []; @$m{qw(owed position)} = (23, { 0 => 1004 });
    $up->('CREDIT processed', sub { $c->processed(16) }); is($m->{credit}, 8192, 'CREDIT processed');
    $up->('ASSIGN seek', sub { $c->seek(16, 1, 'earliest') });
    $down->('ASSIGN sought'); is([ $c->sought(16, 1), $m->{slots}{1}{at} ], [ { error => 0, offset => 200, log_start => 200, high_watermark => 900 }, 200 ], 'ASSIGN sought');
    $down->('ASSIGN not sought'); is([ $c->sought(16, 1), $m->{slots}{1}{at} ], [ { error => 39, detail => 900 }, 200 ], 'ASSIGN not sought');
    $ask->('COMMIT by slot', 17, 'COMMIT answer', {}, sub { $c->commit_slots(16, [ 0, 1004, 'ok' ]) });
    $up->('COMMIT', sub { $c->commit_group('alarms', [ 'temps', 3, 900 ]) });
    $down->('ASSIGN revoked'); is($m->{slots}{1}{revoked}, 1, 'ASSIGN revoked');
    $up->('ASSIGN release', sub { $c->release(16) }); is([ keys %{ $m->{slots} } ], [0], 'ASSIGN release');
    $up->('ASSIGN topics', sub { $c->topics(16, 'temps') });
    $ask->('GROUP list', 20, 'GROUP list answer', { more => 1, groups => [ { id => 'readers', type => 'consumer', state => 3, members => 2 } ] }, sub { $c->group_list('loggers', 100) });
    $ask->('GROUP describe', 21, 'GROUP describe answer', { state => 3, generation => 5, type => 'consumer', protocol => 'range', members => 2,
        list => [ { id => 'app-1f', instance => '', client => 'app', host => '/10.0.0.7', partitions => 3 } ] }, sub { $c->group_describe('readers', 1) });
    $ask->('GROUP offsets', 22, 'GROUP offsets answer', { positions => [ { topic => 'temps', partition => 3, committed => 1000, high_watermark => 1004, member => 'app-1f' },
        { topic => 'tests', partition => 0, committed => -1, high_watermark => -1, member => '' } ] }, sub { $c->group_offsets('readers', 'temps', 2) });
    $ask->('GROUP set', 23, 'GROUP set answer', {}, sub { $c->group_set('readers', [ 'temps', [ 0, 0 ], [ 3, 1000 ] ]) });
    $c->{waiting}{23} = [ 'GROUP', 'set' ]; $down->('GROUP set refused'); is(delete $c->{answer}{23}, { error => 122, detail => 0, text => '', more => 0 }, 'GROUP set refused');
    $up->('GROUP delete', sub { $c->{corr} = 23; $c->group_delete('readers') });
}

# ---- against a broker
sub pump_all ($done, $what, $seconds, @c) {                             # until done; all connections are written and read
    my $until = time + $seconds;
    until ($done->()) {
        return is('timed out', 'to come', $what) if time > $until;
        $_->pump(0.01) or return is($_->{ended}, 'an open connection', $what) for @c;
    }
    1;
}
sub work (@members) {                                                   # what a client does all the time: [ connection, correlation, { partition => [ values ] } ] each
    for (@members) {
        my ($c, $m, $got) = @$_;
        for my $d ($c->take($m)) { push @{ $got->{ $d->{partition} } }, map { $_->{value} } @{ $d->{records} } }
        $c->processed($m)->release($m);
    }
}
sub parts ($c, $m) { join ',', sort map { $_->{partition} } grep { !$_->{revoked} } values %{ $c->{member}{$m}{slots} } }
sub slot_of ($c, $m, $partition) { (grep { $c->{member}{$m}{slots}{$_}{partition} == $partition } keys %{ $c->{member}{$m}{slots} })[0] }
sub committed ($c, $group) { join ' ', map { "$_->{topic}/$_->{partition}:$_->{committed}" } @{ $c->group_offsets($group)->{positions} } }
sub feed ($topic, $partitions, @values) {                               # each value to each partition
    my $c = cl();
    $c->alias($topic, id => $_, partition => $_) for 0 .. $partitions - 1;
    for my $value (@values) { $c->put($_, "$value.$_") for 0 .. $partitions - 1 }
    $c->flush->settle->close;
}

sub test_groups () {
    my $silent = cl(); my $mute = $silent->join('silent', ['alpha'], session => 6000)->{corr}; my $since = time;
    test 'groups: two members that come and go, commits by credit' => sub {
        my ($a, $b) = (cl(), cl()); $a->create('team', 4);
        my $m = $a->join('team', ['team'], client => 'a', assignor => 'sticky', auto => 100); like($m, { error => 0 }, 'join'); is($m->{id} =~ /^a/, 1, 'the id begins with the client');
        my @m = [ $a, $m->{corr}, {} ];
        pump_all(sub { $a->{member}{ $m->{corr} }{told} }, 'assigned', 5, $a); is(parts($m[0][0], $m[0][1]), '0,1,2,3', 'alone: all');
        feed('team', 4, map { "x$_" } 0 .. 9);
        my $sum = sub { my $n = 0; $n += map { @$_ } values %{ $_->[2] } for @m; $n };
        pump_all(sub { work(@m); $sum->() >= 40 }, 'records', 5, $a);
        is($m[0][2], { map { my $p = $_; $p => [ map { "x$_.$p" } 0 .. 9 ] } 0 .. 3 }, 'each once, in order');
        my $n = $b->ask_join('team', ['team'], client => 'b', assignor => 'sticky', auto => 100); push @m, [ $b, $n, {} ];
        pump_all(sub { grep { $_->{revoked} } values %{ $a->{member}{ $m->{corr} }{slots} } }, 'revoked', 5, $a, $b); is([ parts($m[0][0], $m[0][1]) =~ tr/,//, $b->{member}{$n} ], [ 1, undef ], 'two are to go, nobody has them yet');
        pump_all(sub { work(@m); $b->{member}{$n} && $b->{member}{$n}{told} && $a->{member}{ $m->{corr} }{generation} == $b->{member}{$n}{generation} }, 'joined', 5, $a, $b);
        is(join(',', sort split /,/, parts($m[0][0], $m[0][1]) . ',' . parts($m[1][0], $m[1][1])), '0,1,2,3', 'shared: ' . parts($m[0][0], $m[0][1]) . ' and ' . parts($m[1][0], $m[1][1]));
        is([ map { $_->{at} } values %{ $b->{member}{$n}{slots} } ], [ 10, 10 ], 'goes on where the other was');
        feed('team', 4, 'y'); pump_all(sub { work(@m); $sum->() >= 44 }, 'records of both', 5, $a, $b);
        is({ map { $_ => 1 } map { map { @$_ } values %{ $_->[2] } } $m[1] }, { map { ("y.$_" => 1) } split /,/, parts($m[1][0], $m[1][1]) }, 'each its own');
        is([ $b->leave($n), delete $m[1] && 1 ], [ { error => 0 }, 1 ], 'leave');
        pump_all(sub { work(@m); parts($m[0][0], $m[0][1]) eq '0,1,2,3' }, 'all back', 5, $a, $b); is($m[0][2]{$_}[-1], "x9.$_", "not told twice: $_") for grep { $m[0][2]{$_}[-1] !~ /^y/ } 0 .. 3;
        $n = $b->ask_join('team', ['team'], client => 'b', assignor => 'sticky', auto => 100); push @m, [ $b, $n, {} ];
        pump_all(sub { work(@m); $b->{member}{$n} && keys %{ $b->{member}{$n}{slots} } == 2 }, 'again', 5, $a, $b);
        my @had = split /,/, parts($b, $n); close $b->{sock}; pop @m; feed('team', 4, 'z');
        pump_all(sub { work(@m); parts($m[0][0], $m[0][1]) eq '0,1,2,3' && grep({ $m[0][2]{$_}[-1] eq "z.$_" } 0 .. 3) == 4 }, 'all, after a connection that ended', 5, $a);
        is([ map { "$_:" . grep { /^z/ } @{ $m[0][2]{$_} } } @had ], [ map { "$_:1" } @had ], 'once');
        my $later = time + 1.5; pump_all(sub { time > $later }, 'a commit', 5, $a); is(committed($a, 'team'), join(' ', map { "team/$_:12" } 0 .. 3), 'committed by credit'); is($a->leave($m->{corr}), { error => 0 }, 'the last leaves');
        like($a->group_describe('team'), { error => 0, state => 0, members => 0, type => 'consumer' }, 'empty'); $a->close;
    };
    test 'groups: commit by hand, where to begin, positions at the end' => sub {
        my $c = cl(); $c->create('hand', 2); feed('hand', 2, map { "h$_" } 0 .. 4);
        my $m = $c->join('hand', ['hand'])->{corr}; my @got;
        my $all = sub ($n) { pump_all(sub { push @got, $c->take($m); my $k = 0; $k += @{ $_->{records} } for @got; $k >= $n }, 'records', 5, $c) };
        $all->(10); my ($s, $t) = map { slot_of($c, $m, $_) } 0, 1;
        is($c->commit_slots($m, [ $s, 3, 'three' ], [ $t, 4 ]), { error => 0, more => 0 }, 'commit'); is(committed($c, 'hand'), 'hand/0:3 hand/1:4', 'committed');
        like($c->commit_slots($m, [ $s, 4 ], [ 77, 1 ]), { error => 5, detail => 1 }, 'no such slot'); is(committed($c, 'hand'), 'hand/0:4 hand/1:4', 'what is before it is committed');
        like($c->commit_slots($m, [ $s, 1 ], [ $t, 1 ], [ $s, 2 ]), { error => 5, detail => 0 }, 'more than there are slots'); is(committed($c, 'hand'), 'hand/0:4 hand/1:4', 'nothing of that is committed');
        like($c->commit_slots($m, [ $s, 5, 'm' x 5000 ]), { error => 121, detail => 0 }, 'metadata too large');
        $c->processed($m); sleep 1.2; is(committed($c, 'hand'), 'hand/0:4 hand/1:4', 'credit commits nothing without auto-commit');
        is($c->leave($m), { error => 0 }, 'leave'); like($c->commit_slots($m, [ $s, 5 ]), { error => 118, detail => 0 }, 'a member that has ended'); is(committed($c, 'hand'), 'hand/0:4 hand/1:4', 'as it was');
        $m = $c->join('hand', ['hand'], auto => 60000)->{corr}; @got = (); $all->(2); ($s, $t) = map { slot_of($c, $m, $_) } 0, 1;
        is([ sort map { $_->{value} } map { @{ $_->{records} } } @got ], [qw(h4.0 h4.1)], 'goes on from the commit'); $c->seek($m, $s, 'earliest'); is($c->sought($m, $s), { error => 0, offset => 0, log_start => 0, high_watermark => 5 }, 'seek earliest'); @got = (); $all->(5);
        is([ map { $_->{value} } map { @{ $_->{records} } } @got ], [ map { "h$_.0" } 0 .. 4 ], 'read again'); is($c->leave($m, $s => 5, $t => 5), { error => 0 }, 'leave with positions'); is(committed($c, 'hand'), 'hand/0:5 hand/1:5', 'a last commit');
        for ([ latest => 5 ], [ earliest => 0 ], [ nowhere => -1 ]) {
            my ($start, $at) = @$_; my $m = $c->join("from $start", ['hand'], start => $start)->{corr}; $c->wait(sub { $c->{member}{$m}{told} }, 'assigned');
            is([ map { $_->{at} } values %{ $c->{member}{$m}{slots} } ], [ $at, $at ], "start $start");
            if ($start eq 'nowhere') {
                my ($s, $t) = map { slot_of($c, $m, $_) } 0, 1; $c->seek($m, $s, 2); is($c->sought($m, $s)->{offset}, 2, 'seek from nowhere');
                my @d; $c->wait(sub { push @d, $c->take($m); @d }, 'data'); is([ map { $_->{value} } map { @{ $_->{records} } } @d ], [qw(h2.0 h3.0 h4.0)], 'from the sought offset');
                is([ grep { $_->{slot} == $t } @d ], [], 'nothing of the other'); $c->seek($m, $t, 6); is($c->sought($m, $t), { error => 39, detail => 5 }, 'seek beyond the end'); $c->seek($m, $t, 'latest'); is($c->sought($m, $t)->{offset}, 5, 'seek latest');
            }
            $c->leave($m);
        }
        is(committed($c, 'from latest'), '', 'without auto-commit: where it begins is not committed'); $m = $c->join('begins', ['hand'], start => 'latest', auto => 100)->{corr}; $c->wait(sub { $c->{member}{$m}{told} }, 'assigned'); $c->leave($m);
        is(committed($c, 'begins'), 'hand/0:5 hand/1:5', 'with: it is'); $c->close;
    };
    test 'groups: static members, fenced, expired, other protocols' => sub {
        my ($a, $b) = (cl(), cl()); $a->create('rack', 2); my @o = (instance => 'i1', assignor => 'roundrobin');
        my $m = $a->join('rack', ['rack'], @o); $a->wait(sub { $a->{member}{ $m->{corr} }{told} }, 'assigned'); is(parts($a, $m->{corr}), '0,1', 'all');
        my $n = $b->join('rack', ['rack'], @o); like($a->member_end($m->{corr}), { error => 126 }, 'fenced_instance'); $b->wait(sub { $b->{member}{ $n->{corr} }{told} }, 'assigned');
        is([ parts($b, $n->{corr}), $n->{id} ne $m->{id} ], [ '0,1', 1 ], 'the same at once, under another id'); is($a->ping('y'), 'y', 'its connection goes on');
        close $b->{sock}; $m = $a->join('rack', ['rack'], assignor => 'roundrobin'); like($m, { error => 0 }, 'another joins'); like($a->group_describe('rack'), { error => 0, members => 2, state => 3, protocol => 'roundrobin' }, 'the static one keeps its place');
        is([ sort map { $_->{instance} } @{ $a->group_describe('rack')->{list} } ], [ '', 'i1' ], 'described');
        like($a->join('rack', ['rack'], assignor => 'sticky'), { error => 116 }, 'another assignor'); $a->leave($m->{corr}); $b = cl(); $n = $b->join('rack', ['rack'], @o, rebalance => 1000); like($n, { error => 0 }, 'comes back');
        my $late = $a->ask_join('rack', ['rack'], assignor => 'roundrobin'); $a->pump(0); like($b->member_end($n->{corr}, 8), { error => 53 }, 'does not release in time'); like($a->join_answer($late), { error => 0 }, 'who waited has it');
        $_->close for $a, $b;
    };
    test 'groups: topics that come, grow and go' => sub {
        my $c = cl(); my $m = $c->join('later', [ 'later', 'later', 'never' ])->{corr}; $c->wait(sub { $c->{member}{$m}{told} }, 'told'); is(parts($c, $m), '', 'nothing yet');
        $c->create('later', 1); $c->wait(sub { parts($c, $m) eq '0' }, 'a topic comes'); $c->alter('later', 2); $c->wait(sub { parts($c, $m) eq '0,1' }, 'it grows'); $c->create('other', 1); $c->topics($m, 'other');
        $c->wait(sub { $c->release($m); join(',', map { $_->{topic} } values %{ $c->{member}{$m}{slots} }) eq 'other' }, 'other topics'); $c->delete('other'); $c->wait(sub { $c->release($m); !%{ $c->{member}{$m}{slots} } }, 'it goes'); is($c->leave($m), { error => 0 }, 'leave'); $c->close;
    };
    test 'groups: GROUP and COMMIT without members' => sub {
        my $c = cl(); is($c->commit_group('loose', [ 'hand', 1, 2, 'note' ], [ 'hand', 0, 1 ])->{error}, 0, 'commit'); is(committed($c, 'loose'), 'hand/0:1 hand/1:2', 'committed');
        like($c->commit_group('loose', [ 'hand', 0, 3 ], [ 'hand', 9, 1 ]), { error => 32, detail => 1 }, 'no such partition'); is(committed($c, 'loose'), 'hand/0:3 hand/1:2', 'what is before it is committed');
        my @ids = map { $_->{id} } @{ $c->group_list->{groups} }; is([ @ids ], [ sort @ids ], 'list: in order'); is([ grep { $_ eq 'loose' || $_ eq 'hand' } @ids ], [qw(hand loose)], 'list');
        my $l = $c->group_list('hand', 1); is([ $l->{more}, map { $_->{id} } @{ $l->{groups} } ], [ 1, 'later' ], 'list: a page'); my $o = $c->group_offsets('loose', '', 0, 1); is([ $o->{more}, map { $_->{partition} } @{ $o->{positions} } ], [ 1, 0 ], 'offsets: a page');
        is([ map { $_->{partition} } @{ $c->group_offsets('loose', 'hand', 0)->{positions} } ], [1], 'offsets: behind an entry'); is($c->group_set('loose', [ 'hand', [ 0, 0 ], [ 1, 5 ] ])->{error}, 0, 'set'); is(committed($c, 'loose'), 'hand/0:0 hand/1:5', 'reset');
        like($c->group_set('loose', [ 'team', [ 0, 1 ] ], [ 'hand', [ 0, 1 ] ]), { error => 5 }, 'topics that do not ascend'); like($c->group_set('loose', [ 'hand', [ 0, -1 ], [ 1, 5 ] ]), { error => 5 }, 'some -1'); is(committed($c, 'loose'), 'hand/0:0 hand/1:5', 'nothing of it');
        is($c->group_set('loose', [ 'hand', [ 0, -1 ] ])->{error}, 0, 'forget'); is(committed($c, 'loose'), 'hand/1:5', 'forgotten'); is($c->group_set('made', [ 'hand', [ 1, 3 ] ])->{error}, 0, 'a group that is not there'); is(committed($c, 'made'), 'hand/1:3', 'is made');
        my $m = $c->join('loose', ['hand'])->{corr}; $c->wait(sub { $c->{member}{$m}{told} }, 'assigned'); is([ map { $_->{at} } sort { $a->{partition} <=> $b->{partition} } values %{ $c->{member}{$m}{slots} } ], [ 0, 5 ], 'a member begins there');
        is([ map { length $_->{member} > 0 } @{ $c->group_offsets('loose')->{positions} } ], [ 1, 1 ], 'who has it'); like($c->group_set('loose', [ 'hand', [ 0, 1 ] ]), { error => 122 }, 'set with members'); like($c->group_set('loose', [ 'hand', [ 1, -1 ] ]), { error => 127 }, 'forget what a member reads');
        like($c->group_delete('loose'), { error => 122 }, 'delete with members'); like($c->commit_group('loose', [ 'hand', 0, 1 ]), { error => 118, detail => 0 }, 'commit from outside');
        my $d = $c->group_describe('loose'); is([ @$d{qw(state members type protocol)}, $d->{list}[0]{partitions} ], [ 3, 1, 'consumer', 'range', 2 ], 'describe'); is($c->group_describe('loose', 1)->{list}, [], 'describe: behind the last'); $c->leave($m);
        is($c->group_delete('loose')->{error}, 0, 'delete'); like($_, { error => 123 }, 'group not found') for $c->group_delete('loose'), $c->group_describe('loose'), $c->group_offsets('loose'); $c->close;
    };
    test 'groups: kill -9' => sub {
        my $c = cl(); my $m = $c->join('hand', ['hand'], auto => 60000); my $slot = do { $c->wait(sub { $c->{member}{ $m->{corr} }{told} }, 'assigned'); slot_of($c, $m->{corr}, 0) };
        is($c->commit_slots($m->{corr}, [ $slot, 2 ])->{error}, 0, 'commit'); stop('KILL'); start(); $c->connect; my $n = $c->join('hand', ['hand']); $c->wait(sub { $c->{member}{ $n->{corr} }{told} }, 'assigned again', 60);
        is([ $n->{generation} > $m->{generation}, $c->{member}{ $n->{corr} }{slots}{ slot_of($c, $n->{corr}, 0) }{at} ], [ 1, 2 ], 'generation and offsets go on'); $c->close;
    };
    test 'groups: a silent member' => sub {
        like($silent->member_end($mute, 12), { error => 53 }, 'session timeout'); say sprintf '  %.1f s', time - $since; $silent->close;
    };
}

sub group_errors () {
    my $join = sub (%o) {
        my %f = (group => 'wrong', client => 'c', instance => '', assignor => 0, start => 1, session => 10000, rebalance => 10000, auto => 0, credit => 8192, topics => ['alpha'], %o);
        "\0" . Rivulet::block($f{group}) . Rivulet::block($f{instance}) . Rivulet::block($f{client}) . chr($f{assignor}) . chr($f{start})
            . join('', map { $v->($_) } @f{qw(session rebalance auto credit)}) . join '', map { Rivulet::block($_) } @{ $f{topics} };
    };
    my %body = (21 => "\1g\5alpha\0\1\1\0", 22 => "\0\0\0", 23 => $join->());
    for my $k (21 .. 23) {
        ends("kind $k without groups", err(4, $k), sub ($c) { $c->send($k, 0, $body{$k}, 1) }, features => 3);
        ends("kind $k: flag 2", err(2), sub ($c) { $c->send($k, 4, $body{$k}, 1) });
        ends("kind $k: empty", err(2), sub ($c) { $c->send($k, 0, '', 1) });
        ends("kind $k: cut", err(2), sub ($c) { $c->send($k, 0, substr($body{$k}, 0, -1), 1) });
    }
    ends('flag 0 of ASSIGN', err(2), sub ($c) { $c->send(23, 1, $body{23}, 1) });
    ends('flag 0 of GROUP', err(2), sub ($c) { $c->send(22, 1, $body{22}, 1) });
    ends('ASSIGN asks 4', err(2), sub ($c) { $c->send(23, 0, "\4", 1) });
    ends('assignor 3', err(2), sub ($c) { $c->send(23, 0, $join->(assignor => 3), 1) });
    ends('start 3', err(2), sub ($c) { $c->send(23, 0, $join->(start => 3), 1) });
    ends('GROUP asks 5', err(2), sub ($c) { $c->send(22, 0, "\5", 1) });
    ends('GROUP set to -2', err(2), sub ($c) { $c->ask(GROUP => 0, "\3\1g\5alpha\1\0" . $z->(-2), 'set') });
    ends('bytes left over in GROUP', err(2), sub ($c) { $c->send(22, 0, "\0\0\0\0", 1) });
    ends('COMMIT at epoch -2', err(2), sub ($c) { $c->ask(COMMIT => 0, "\1g\5alpha\0\1" . $z->(-2) . "\0") });
    ends('credit of a member above 2^31 - 1', err(5), sub ($c) { $c->ask_join('wrong', ['alpha'], credit => 1 << 31) });
    # What a member may not say, and what may be said to nobody
    my $member = sub ($code) { sub ($c) { my $m = $c->join('wrong', ['alpha'])->{corr}; $c->wait(sub { $c->{member}{$m}{told} }, 'assigned'); $code->($c, $m, slot_of($c, $m, 0)) } };
    ends('a join on the correlation of a member', err(5), $member->(sub ($c, $m, $s) { $c->send(23, 0, $join->(), $m) }));
    ends('a subscription on it', err(5), $member->(sub ($c, $m, $s) { $c->send(18, 0, "\5alpha\0\1\1\x7f", $m) }));
    ends('a join on that of a subscription', err(5), sub ($c) { my $m = $c->subscribe([ alpha => 0 ], 'latest', 100)->{corr}; $c->send(23, 0, $join->(), $m) });
    ends('positions of a subscription', err(2), sub ($c) { my $m = $c->subscribe([ alpha => 0 ], 'latest', 100)->{corr}; $c->send(20, 2, "\1\0\0", $m) });
    ends('processed beyond what was sent', err(5), $member->(sub ($c, $m, $s) { $c->send(20, 2, "\0" . $v->($s) . $v->(1 << 40), $m) }));
    ends("processed: $_->[0]", err($_->[1]), do { my $body = $_->[2]; $member->(sub ($c, $m, $s) { $c->send(20, 2, $body, $m) }) }) for [ 'no such slot', 5, "\0\x4d\1" ], [ 'half a position', 2, "\0\0" ];
    ends("$_->[0] of a slot that was never given", err(5), do { my $body = $_->[1]; $member->(sub ($c, $m, $s) { $c->send(23, 0, $body, $m) }) }) for [ release => "\2\x4d" ], [ seek => "\3\x4d\0" ];
    ends('release of a slot that is not revoked', err(5), $member->(sub ($c, $m, $s) { $c->send(23, 0, "\2" . $v->($s), $m) }));
    ends('seek to -3', err(2), $member->(sub ($c, $m, $s) { $c->send(23, 0, "\3" . $v->($s) . $z->(-3), $m) }));
    ends('more credit than 2^31 - 1', err(5), $member->(sub ($c, $m, $s) { $c->send(20, 0, $v->((1 << 31) - 1), $m) }));
    my $c = cl(); my $refused = sub ($want, $what, %o) { $c->{waiting}{ ++$c->{corr} } = [ 'ASSIGN', 0 ]; $c->send(23, 0, $join->(%o), $c->{corr}); like($c->answer($c->{corr}), { error => $want }, "join: $what") };
    $refused->(117, 'no group', group => ''); $refused->(117, 'group of 1025', group => 'g' x 1025); $refused->(119, "session timeout $_", session => $_) for 5999, 1_800_001;
    $refused->(5, "$_ of 65", $_ => 'x' x 65) for qw(client instance); $refused->(5, 'automatic commits each 99 ms', auto => 99); $refused->(38, '33 topics', topics => [ map { "t$_" } 1 .. 33 ]); $refused->(34, 'name of a topic', topics => ['a b']);
    my $d = client(limit => 511)->connect; like($d->join('wrong', ['alpha']), { error => 7, detail => 512 }, 'join: a small frame limit'); $d->close;
    $c->send(23, 0, $_, 99) for "\1\5alpha", "\2\0", "\3\0\0"; $c->send(20, $_->[0], $_->[1], 99) for [ 0, "\5" ], [ 2, "\5\0\0" ], [ 3, "\0\0" ]; is($c->ping('on'), 'on', 'to nobody: nothing');
    like($c->commit_slots(99, [ 0, 0 ]), { error => 118, detail => 0 }, 'COMMIT of nobody'); like($c->commit_group('', [ 'alpha', 0, 1 ]), { error => 117 }, 'COMMIT: no group'); like($c->group_set('', [ 'alpha', [ 0, 1 ] ]), { error => 117 }, 'GROUP set: no group');
    like($c->group_set('wrong', [ 'alpha', [ 0, 1 ], [ 9, 1 ] ]), { error => 32 }, 'GROUP set: no such partition'); is(committed($c, 'wrong'), '', 'nothing of it');
    my $m = $c->join('wrong', ['alpha'])->{corr}; $c->topics($m, 'a b'); like($c->member_end($m), { error => 34 }, 'topics that cannot be end a member'); $c->close;
}
1;
