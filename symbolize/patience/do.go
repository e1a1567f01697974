package patience

import (
	"context"
	"fmt"
	"time"
)

// Limit is how long to wait for an answer.
const Limit = 2 * time.Second

// NoAnswerError says what did not answer.
type NoAnswerError struct {
	What string
	// After is the time that was waited.
	After time.Duration
}

func (e *NoAnswerError) Error() string {
	return fmt.Sprintf("%s did not answer within %v", e.What, e.After)
}

// Do calls f in another goroutine and returns its result, or a *NoAnswerError after limit. If
// f returns later, its result is passed to late, unless late is nil.
func Do[T any](limit time.Duration, what string, f func() (T, error), late func(T)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	result, err := DoUntil(ctx, f, late)
	if ctx.Err() != nil && err == ctx.Err() {
		err = &NoAnswerError{What: what, After: limit}
	}
	return result, err
}

// DoUntil is Do with a context in place of the limit. It returns the context's error.
func DoUntil[T any](ctx context.Context, f func() (T, error), late func(T)) (T, error) {
	type answer struct {
		result T
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		result, err := f()
		answers <- answer{result, err}
	}()
	select {
	case a := <-answers:
		return a.result, a.err
	case <-ctx.Done():
	}
	if late != nil {
		go func() {
			if a := <-answers; a.err == nil {
				late(a.result)
			}
		}()
	}
	var none T
	return none, ctx.Err()
}

// Wait waits for f to return, but at most for limit, and reports whether it has.
func Wait(limit time.Duration, f func()) bool {
	_, err := Do(limit, "", func() (struct{}, error) { f(); return struct{}{}, nil }, nil)
	return err == nil
}
