package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	ifAsked    = "broker-killed" // the operation that is run if it is named alone
	killedTime = 12 * time.Second
	step       = 100 * time.Millisecond
)

// Sends all at once, or a part in each step.
func spread[T any](all []T, over time.Duration, send func([]T) error) error {
	if over == 0 {
		return send(all)
	}
	start := time.Now()
	for part := range slices.Chunk(all, max(1, len(all)*int(step)/int(over))) {
		if err := send(part); err != nil {
			return err
		}
		start = start.Add(step)
		time.Sleep(time.Until(start))
	}
	return nil
}

// Whoever runs this kills the broker meanwhile and starts it again, several times.
func brokerKilled(ctx context.Context, c client, name string) error {
	if err := prepare(ctx, c, name, 1); err != nil {
		return err
	}
	m, err := c.join(ctx, name, name)
	if err != nil {
		return err
	}
	defer m.close(false)
	sent := numbered(1200, 0)
	options := ordinary
	options.idempotent, options.spread = true, killedTime
	if _, err = c.produce(ctx, name, sent, options); errors.Is(err, errAbsent) {
		options.idempotent = false
		_, err = c.produce(ctx, name, sent, options)
	}
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := waitFor(ctx, "the group's member reads all", func() (bool, error) { return len(values(m.read())) == len(sent), nil }); err != nil {
		return fmt.Errorf("%w; %d values of %d; %v", err, len(values(m.read())), len(sent), m.failure())
	}
	_, end, err := c.offsets(ctx, name, 0)
	if err != nil {
		return err
	}
	read, err := c.consume(ctx, name, 0, 0, int(end))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if options.idempotent {
		return same(read, sent, 0)
	}
	if !maps.Equal(values(read), values(sent)) {
		return fmt.Errorf("%d records are stored, and not all that were acknowledged", len(read))
	}
	return nil
}

func values(records []record) map[string]bool {
	all := map[string]bool{}
	for _, r := range records {
		all[string(r.value)] = true
	}
	return all
}
