package live

import (
	"slices"

	"memtrace/tracer/event"
)

// FreedAt is a stack by which blocks of another one were freed.
type FreedAt struct {
	// Stack is that of the free, 0 for all that are not told apart.
	Stack event.StackID
	// Samples is how many frees were seen there, Blocks how many they stand for.
	Samples, Blocks uint64
}

// Freers is by which stacks the blocks of each stack were freed, as far as frees are sampled. The
// zero Freers is empty.
type Freers struct {
	byStack map[event.StackID][]FreedAt
}

// Bounds of a Freers. A stack whose blocks are freed in more places has few in each.
const (
	mostFreers = 24
	mostFreed  = 1 << 14
	// freerBytes is what a stack takes.
	freerBytes = 64 + mostFreers*24
)

// Add counts a sampled free that stands for so many, of a block of a stack.
func (f *Freers) Add(stack, at event.StackID, blocks uint64) {
	if stack == 0 || stack == GivenUp {
		return // such stacks are no one's
	}
	if f.byStack == nil {
		f.byStack = make(map[event.StackID][]FreedAt)
	}
	list, ok := f.byStack[stack]
	if !ok && len(f.byStack) >= mostFreed {
		return
	}
	i := slices.IndexFunc(list, func(e FreedAt) bool { return e.Stack == at })
	switch {
	case i >= 0:
	case len(list) < mostFreers:
		i, list = len(list), append(list, FreedAt{Stack: at})
	default:
		i = makeRoom(list)
		list[i] = FreedAt{Stack: at}
	}
	list[i].Samples++
	list[i].Blocks += blocks
	f.byStack[stack] = list
}

// makeRoom adds the rarest of a full list to those that are not told apart, the first of the list, and
// returns its place. One that is frequent comes back and stays.
func makeRoom(list []FreedAt) int {
	if list[0].Stack != 0 {
		i := slices.IndexFunc(list, func(e FreedAt) bool { return e.Stack == 0 })
		if i < 0 {
			i = rarest(list, 0)
			list[i].Stack = 0
		}
		list[0], list[i] = list[i], list[0]
	}
	// Of several that are as rare it is another one each time. Else two that are frequent could
	// replace each other for ever.
	i := 1 + rarest(list[1:], int(list[0].Samples%mostFreers))
	list[0].Samples += list[i].Samples
	list[0].Blocks += list[i].Blocks
	return i
}

// rarest returns the place of the rarest, of several that are the first from place on.
func rarest(list []FreedAt, place int) (least int) {
	least = place % len(list)
	for k := range list {
		if i := (place + k) % len(list); list[i].Blocks < list[least].Blocks {
			least = i
		}
	}
	return least
}

// Drop forgets a stack.
func (f *Freers) Drop(stack event.StackID) { delete(f.byStack, stack) }

// EachStack calls f with every stack by which blocks were freed, in no order and more than once.
func (f *Freers) EachStack(each func(event.StackID)) {
	for _, list := range f.byStack {
		for i := range list {
			each(list[i].Stack)
		}
	}
}

// Bytes returns about the memory that this takes.
func (f *Freers) Bytes() uint64 { return uint64(len(f.byStack)) * freerBytes }

// Of returns a copy for those stacks that are wanted, by stack, in no order.
func (f *Freers) Of(wanted func(event.StackID) bool) map[event.StackID][]FreedAt {
	all := make(map[event.StackID][]FreedAt)
	for id, list := range f.byStack {
		if !wanted(id) {
			continue
		}
		all[id] = slices.Clone(list)
	}
	return all
}
