// Go clients through one list of operations. usage: interop CLIENT HOST:PORT PREFIX [OPERATION...], CLIENT one of franz-go, sarama, kafka-go.
// A line per operation: `ok OP`, `failed OP: why`, `absent OP: why`. Topics and groups are named PREFIX-OP.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	operationTime   = 45 * time.Second
	transactionTime = 10 * time.Second
)

var errAbsent = errors.New("this client does not have it")

type header struct {
	key   string
	value []byte
}

type record struct {
	key, value []byte
	headers    []header
	time       time.Time
	partition  int32
	offset     int64
}

type producing struct {
	acks       string // 0, 1, all
	codec      string
	idempotent bool
	partition  int32         // -1: by key
	spread     time.Duration // over which all is sent by one producer, 0 for at once
}

// What each client is asked. Every call ends with its context.
type client interface {
	create(ctx context.Context, topic string, partitions int, config map[string]string) error
	topics(ctx context.Context) (map[string]int, error) // name to number of partitions
	config(ctx context.Context, topic string) (map[string]string, error)
	alter(ctx context.Context, topic, key, value string) error
	addPartitions(ctx context.Context, topic string, total int) error
	delete(ctx context.Context, topic string) error
	produce(ctx context.Context, topic string, records []record, options producing) ([]int64, error) // offsets, nil if it does not tell them
	consume(ctx context.Context, topic string, partition int32, offset int64, count int) ([]record, error)
	offsets(ctx context.Context, topic string, partition int32) (int64, int64, error)
	offsetAt(ctx context.Context, topic string, partition int32, at time.Time) (int64, error)
	join(ctx context.Context, group, topic string) (member, error)
	committed(ctx context.Context, group, topic string, partition int32) (int64, error)
	groups(ctx context.Context) ([]string, error)
	groupState(ctx context.Context, group string) (string, error)
	deleteGroup(ctx context.Context, group string) error
	deleteRecords(ctx context.Context, topic string, partition int32, offset int64) error
	transaction(ctx context.Context, topic, id string) error
}

// A member of a group, reading by itself.
type member interface {
	read() []record // all so far
	partitions() []int32
	failure() error
	close(commit bool) error
}

// What members gather from their callbacks.
type gathered struct {
	mutex    sync.Mutex
	records  []record
	assigned map[int32]bool
	err      error
}

func (g *gathered) with(change func()) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.assigned == nil {
		g.assigned = map[int32]bool{}
	}
	change()
}

func (g *gathered) read() (all []record) {
	g.with(func() { all = slices.Clone(g.records) })
	return
}

func (g *gathered) partitions() (all []int32) {
	g.with(func() {
		for p := range g.assigned {
			all = append(all, p)
		}
	})
	slices.Sort(all)
	return
}

func (g *gathered) failure() (err error) {
	g.with(func() { err = g.err })
	return
}

func waitFor(ctx context.Context, what string, condition func() (bool, error)) error {
	end := time.Now().Add(30 * time.Second)
	var last error
	for {
		holds, err := condition()
		if holds && err == nil {
			return nil
		}
		last = err
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("timed out: %s (last error: %v)", what, last)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func prepare(ctx context.Context, c client, topic string, partitions int) error {
	if err := c.create(ctx, topic, partitions, nil); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	return waitFor(ctx, "a topic created is in the metadata", func() (bool, error) {
		all, err := c.topics(ctx)
		return all[topic] == partitions, err
	})
}

func numbered(count, size int) []record {
	var records []record
	for i := range count {
		records = append(records, record{value: []byte(fmt.Sprintf("%06d%s", i, strings.Repeat("x", size)))})
	}
	return records
}

func same(read, sent []record, first int64) error {
	if len(read) != len(sent) {
		return fmt.Errorf("%d records read of %d", len(read), len(sent))
	}
	for i := range sent {
		if read[i].offset != first+int64(i) || !bytes.Equal(read[i].value, sent[i].value) {
			return fmt.Errorf("record %d has offset %d and %.20q", i, read[i].offset, read[i].value)
		}
	}
	return nil
}

func produced(ctx context.Context, c client, topic string, records []record, options producing) error {
	if err := prepare(ctx, c, topic, 1); err != nil {
		return err
	}
	offsets, err := c.produce(ctx, topic, records, options)
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	for i, offset := range offsets {
		if offset != int64(i) {
			return fmt.Errorf("record %d was acknowledged with offset %d", i, offset)
		}
	}
	read, err := c.consume(ctx, topic, 0, 0, len(records))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	return same(read, records, 0)
}

var ordinary = producing{acks: "all", codec: "none", partition: 0}

type operation struct {
	name string
	run  func(ctx context.Context, c client, name string) error
}

func operations() []operation {
	list := []operation{{"create", create}, {"list", list}, {"describe", describe}, {"alter", alter}, {"partitions", addPartitions}, {"delete", deleteTopic}}
	for _, acks := range []string{"0", "1", "all"} {
		list = append(list, operation{"acks-" + acks, func(ctx context.Context, c client, name string) error {
			return produced(ctx, c, name, numbered(100, 0), producing{acks: acks, codec: "none", partition: 0})
		}})
	}
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		list = append(list, operation{"codec-" + codec, func(ctx context.Context, c client, name string) error {
			return produced(ctx, c, name, numbered(300, 100), producing{acks: "all", codec: codec, partition: 0})
		}})
	}
	return append(list, operation{"keys", keys}, operation{"headers", headers}, operation{"idempotent", idempotent}, operation{"large", large},
		operation{"assign", assign}, operation{"offsets", offsets}, operation{"seek-time", seekTime}, operation{"group", group}, operation{"commit", commit},
		operation{"rebalance", rebalance}, operation{"groups", groups}, operation{"delete-group", deleteGroup}, operation{"delete-records", deleteRecords},
		operation{"transaction", transaction}, operation{ifAsked, brokerKilled})
}

func create(ctx context.Context, c client, name string) error {
	if err := c.create(ctx, name, 3, map[string]string{"retention.ms": "3600000"}); err != nil {
		return err
	}
	if err := waitFor(ctx, "3 partitions", func() (bool, error) {
		all, err := c.topics(ctx)
		return all[name] == 3, err
	}); err != nil {
		return err
	}
	err := c.create(ctx, name, 3, nil)
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), "exist") {
		return fmt.Errorf("the second time: %v", err)
	}
	return nil
}

func list(ctx context.Context, c client, name string) error { return prepare(ctx, c, name, 1) }

func describe(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 2); err != nil {
		return err
	}
	config, err := c.config(ctx, name)
	if err != nil {
		return err
	}
	for _, key := range []string{"retention.ms", "cleanup.policy", "max.message.bytes"} {
		if config[key] == "" {
			return fmt.Errorf("no %s among %v", key, config)
		}
	}
	return nil
}

func alter(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	if err := c.alter(ctx, name, "retention.ms", "7200000"); err != nil {
		return err
	}
	return waitFor(ctx, "retention.ms as altered", func() (bool, error) {
		config, err := c.config(ctx, name)
		return config["retention.ms"] == "7200000", err
	})
}

func addPartitions(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	if err := c.addPartitions(ctx, name, 4); err != nil {
		return err
	}
	return waitFor(ctx, "4 partitions", func() (bool, error) {
		all, err := c.topics(ctx)
		return all[name] == 4, err
	})
}

func deleteTopic(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	if err := c.delete(ctx, name); err != nil {
		return err
	}
	return waitFor(ctx, "the topic is gone", func() (bool, error) {
		all, err := c.topics(ctx)
		return all[name] == 0, err
	})
}

func keys(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 3); err != nil {
		return err
	}
	var records []record
	for i := range 70 {
		records = append(records, record{key: []byte(fmt.Sprintf("key-%d", i%7)), value: []byte(fmt.Sprintf("v%d", i))})
	}
	options := ordinary
	options.partition = -1
	if _, err := c.produce(ctx, name, records, options); err != nil {
		return err
	}
	total, partitionOf := 0, map[string]int32{}
	for p := range int32(3) {
		_, end, err := c.offsets(ctx, name, p)
		if err != nil {
			return err
		}
		if end == 0 {
			continue
		}
		read, err := c.consume(ctx, name, p, 0, int(end))
		if err != nil {
			return err
		}
		for _, r := range read {
			if at, known := partitionOf[string(r.key)]; known && at != p {
				return fmt.Errorf("%s is in partitions %d and %d", r.key, at, p)
			}
			partitionOf[string(r.key)] = p
			total++
		}
	}
	if total != 70 || len(partitionOf) != 7 {
		return fmt.Errorf("%d records, %d keys", total, len(partitionOf))
	}
	return nil
}

func headers(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	sent := []header{{"trace", []byte{0, 1, 255}}, {"empty", []byte{}}, {"trace", []byte("again")}}
	if _, err := c.produce(ctx, name, []record{{key: []byte("k"), value: []byte("with"), headers: sent}, {value: []byte("without")}}, ordinary); err != nil {
		return err
	}
	read, err := c.consume(ctx, name, 0, 0, 2)
	if err != nil {
		return err
	}
	if len(read[1].headers) != 0 || !slices.EqualFunc(read[0].headers, sent, func(a, b header) bool { return a.key == b.key && bytes.Equal(a.value, b.value) }) {
		return fmt.Errorf("headers read: %v and %v", read[0].headers, read[1].headers)
	}
	return nil
}

func idempotent(ctx context.Context, c client, name string) error {
	options := ordinary
	options.idempotent = true
	return produced(ctx, c, name, numbered(500, 0), options)
}

func large(ctx context.Context, c client, name string) error {
	return produced(ctx, c, name, append(numbered(3, 900_000), numbered(2000, 500)...), ordinary)
}

func assign(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	if _, err := c.produce(ctx, name, numbered(100, 0), ordinary); err != nil {
		return err
	}
	read, err := c.consume(ctx, name, 0, 50, 50)
	if err != nil {
		return err
	}
	return same(read, numbered(100, 0)[50:], 50)
}

func expectOffsets(ctx context.Context, c client, name string, first, end int64) error {
	return waitFor(ctx, fmt.Sprintf("earliest %d, latest %d", first, end), func() (bool, error) {
		f, e, err := c.offsets(ctx, name, 0)
		if err == nil && (f != first || e != end) {
			err = fmt.Errorf("earliest %d, latest %d", f, e)
		}
		return err == nil, err
	})
}

func offsets(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	if _, err := c.produce(ctx, name, numbered(42, 0), ordinary); err != nil {
		return err
	}
	return expectOffsets(ctx, c, name, 0, 42)
}

func seekTime(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	base := time.Now().Add(-200 * time.Second).Truncate(time.Millisecond)
	records := numbered(100, 0)
	for i := range records {
		records[i].time = base.Add(time.Duration(i) * time.Second)
	}
	options := ordinary
	options.codec = "snappy"
	if _, err := c.produce(ctx, name, records, options); err != nil {
		return err
	}
	for _, pair := range [][2]int64{{-5000, 0}, {49_500, 50}, {99_000, 99}} {
		offset, err := c.offsetAt(ctx, name, 0, base.Add(time.Duration(pair[0])*time.Millisecond))
		if err != nil || offset != pair[1] {
			return fmt.Errorf("at %d ms: offset %d in place of %d, %v", pair[0], offset, pair[1], err)
		}
	}
	return nil
}

func group(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 3); err != nil {
		return err
	}
	for p := range int32(3) {
		options := ordinary
		options.partition = p
		if _, err := c.produce(ctx, name, numbered(20, 0), options); err != nil {
			return err
		}
	}
	m, err := c.join(ctx, name, name)
	if err != nil {
		return err
	}
	defer m.close(false)
	if err := reads(ctx, m, 60); err != nil {
		return err
	}
	if len(m.read()) != 60 {
		return fmt.Errorf("%d records", len(m.read()))
	}
	return nil
}

func reads(ctx context.Context, m member, count int) error {
	return waitFor(ctx, fmt.Sprintf("a member reads %d records", count), func() (bool, error) { return len(m.read()) >= count, m.failure() })
}

func commit(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	for _, part := range [][2]int64{{0, 50}, {50, 10}} {
		if _, err := c.produce(ctx, name, numbered(int(part[1]), 0), ordinary); err != nil {
			return err
		}
		m, err := c.join(ctx, name, name)
		if err != nil {
			return err
		}
		err = reads(ctx, m, int(part[1]))
		if closing := m.close(true); err == nil {
			err = closing
		}
		if err != nil {
			return err
		}
		if err := same(m.read(), numbered(int(part[1]), 0), part[0]); err != nil {
			return err
		}
		committed, err := c.committed(ctx, name, name, 0)
		if err != nil || committed != part[0]+part[1] {
			return fmt.Errorf("committed: %d, %v", committed, err)
		}
	}
	return nil
}

func rebalance(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 4); err != nil {
		return err
	}
	first, err := c.join(ctx, name, name)
	if err != nil {
		return err
	}
	defer first.close(false)
	every := []int32{0, 1, 2, 3}
	alone := func() (bool, error) { return slices.Equal(first.partitions(), every), first.failure() }
	if err := waitFor(ctx, "the first member has all partitions", alone); err != nil {
		return err
	}
	second, err := c.join(ctx, name, name)
	if err != nil {
		return err
	}
	err = waitFor(ctx, "two members share the partitions", func() (bool, error) {
		both := append(first.partitions(), second.partitions()...)
		slices.Sort(both)
		return slices.Equal(both, every) && len(first.partitions()) == 2, errors.Join(first.failure(), second.failure())
	})
	if closing := second.close(false); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return waitFor(ctx, "the one that stays has all partitions again", alone)
}

func groups(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	if _, err := c.produce(ctx, name, numbered(5, 0), ordinary); err != nil {
		return err
	}
	m, err := c.join(ctx, name, name)
	if err != nil {
		return err
	}
	state := func(wanted string) error {
		return waitFor(ctx, "the group is "+wanted, func() (bool, error) {
			state, err := c.groupState(ctx, name)
			return state == wanted, err
		})
	}
	err = reads(ctx, m, 5)
	if err == nil {
		err = state("Stable")
	}
	if err == nil {
		var all []string
		if all, err = c.groups(ctx); err == nil && !slices.Contains(all, name) {
			err = fmt.Errorf("the group is not listed: %v", all)
		}
	}
	if closing := m.close(false); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return state("Empty")
}

func deleteGroup(ctx context.Context, c client, name string) error {
	if err := groups(ctx, c, name); err != nil {
		return err
	}
	if err := c.deleteGroup(ctx, name); err != nil {
		return err
	}
	return waitFor(ctx, "the group is gone", func() (bool, error) {
		all, err := c.groups(ctx)
		return !slices.Contains(all, name), err
	})
}

func deleteRecords(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	if _, err := c.produce(ctx, name, numbered(100, 0), ordinary); err != nil {
		return err
	}
	if err := c.deleteRecords(ctx, name, 0, 40); err != nil {
		return err
	}
	return expectOffsets(ctx, c, name, 40, 100)
}

func transaction(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	start := time.Now()
	err := c.transaction(ctx, name, name)
	switch {
	case errors.Is(err, errAbsent):
		return err
	case err == nil:
		return errors.New("a transaction was committed")
	case time.Since(start) > transactionTime:
		return fmt.Errorf("it took %v to fail: %w", time.Since(start), err)
	case !strings.Contains(strings.ToLower(err.Error()), "transaction"):
		return fmt.Errorf("the error does not name it: %w", err)
	}
	return nil
}

func main() {
	clients := map[string]func(string) (client, error){"franz-go": newFranz, "sarama": newSarama, "kafka-go": newKafkaGo}
	c, err := clients[os.Args[1]](os.Args[2])
	if err != nil {
		fmt.Println("failed connect:", err)
		os.Exit(1)
	}
	code := 0
	for _, o := range operations() {
		if asked := slices.Contains(os.Args[4:], o.name); !asked && (len(os.Args) > 4 || o.name == ifAsked) {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), operationTime)
		result := make(chan error, 1)
		go func() { result <- o.run(ctx, c, os.Args[3]+"-"+o.name) }()
		var err error
		select {
		case err = <-result:
		case <-time.After(operationTime + time.Second):
			err = errors.New("not done in time")
		}
		cancel()
		switch {
		case err == nil:
			fmt.Println("ok", o.name)
		case errors.Is(err, errAbsent):
			fmt.Printf("absent %s: %v\n", o.name, err)
		default:
			fmt.Printf("failed %s: %s\n", o.name, strings.ReplaceAll(err.Error(), "\n", " "))
			code = 1
		}
	}
	os.Exit(code)
}
