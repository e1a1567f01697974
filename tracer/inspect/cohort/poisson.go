package cohort

import "math"

// z is the quantile of the normal distribution at (1+Confidence)/2.
const z = 1.959964

// poissonLimits returns limits of the mean of a Poisson distribution of which n was drawn, exact
// (Garwood 1936) or, for larger n, by Wilson and Hilferty's approximation of chi-square, which is off by
// less than a thousandth then.
func poissonLimits(n uint64) (low, high float64) {
	const (
		tail  = (1 - Confidence) / 2
		exact = 50
	)
	x := float64(n)
	if n > exact {
		wilson := func(k, z float64) float64 {
			f := 1 - 1/(9*k) + z/(3*math.Sqrt(k))
			return k * f * f * f
		}
		return wilson(x, -z), wilson(x+1, z)
	}
	if n > 0 {
		low = bisect(func(mean float64) bool { return 1-poissonBelow(n-1, mean) > tail }, x)
	}
	return low, bisect(func(mean float64) bool { return poissonBelow(n, mean) < tail }, 2*x+20)
}

// poissonBelow is the probability of at most n.
func poissonBelow(n uint64, mean float64) float64 {
	term := math.Exp(-mean)
	sum := term
	for i := uint64(1); i <= n; i++ {
		term *= mean / float64(i)
		sum += term
	}
	return sum
}

// bisect returns where above becomes true between 0 and high.
func bisect(above func(float64) bool, high float64) float64 {
	low := 0.0
	for range 60 {
		if mid := (low + high) / 2; above(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// tail is the probability that at least in of in+out blocks come if each comes with probability p, and
// leaves else.
func tail(in, out, p float64) float64 {
	in = math.Floor(in)
	n := in + math.Ceil(out)
	const exact = 1000
	if n > exact {
		return math.Erfc((in-n*p-0.5)/math.Sqrt(2*n*p*(1-p))) / 2
	}
	all, _ := math.Lgamma(n + 1)
	sum := 0.0
	for k := in; k <= n; k++ {
		a, _ := math.Lgamma(k + 1)
		b, _ := math.Lgamma(n - k + 1)
		sum += math.Exp(all - a - b + k*math.Log(p) + (n-k)*math.Log(1-p))
	}
	return min(sum, 1)
}
