package testprog

import "slices"

// Quartile returns the n-th quartile of values, the median if n is 2. It sorts them.
func Quartile(values []float64, n int) float64 {
	slices.Sort(values)
	return values[(len(values)-1)*n/4]
}
