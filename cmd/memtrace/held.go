package main

import "sync"

// held keeps messages while a view has the screen. The zero value keeps none.
type held struct {
	mu sync.Mutex
	// show shows a message in the view, nil while there is none. later: the terminal is the view's
	// alone, so that messages are written once it has gone.
	show  func(text string)
	later bool
	kept  []string
}

// mostKept bounds the messages that are kept. The last ones say most of what to do.
const mostKept = 100

// begin has messages shown by show from now on.
func (h *held) begin(show func(text string), later bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.show, h.later = show, later
}

// keep shows a message if there is a view. It returns false if the message has to be written now.
func (h *held) keep(text string) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.show == nil {
		return false
	}
	h.show(text)
	if h.later {
		h.kept = append(h.kept[max(0, len(h.kept)+1-mostKept):], text)
	}
	return h.later
}

// end returns the messages that were kept, once the view has gone.
func (h *held) end() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.kept
	h.show, h.kept = nil, nil
	return kept
}
