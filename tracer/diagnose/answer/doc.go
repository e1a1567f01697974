// Package answer says what the figures of a report mean: which stacks leak, what else makes a
// process grow, and what of the growth each of them accounts for. It looks at nothing but a
// report and what Evidence adds to it, so equal evidence gives equal answers.
package answer
