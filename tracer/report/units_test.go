package report

import (
	"math"
	"testing"
)

func TestExactBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0:                   "0 B",
		1023:                "1,023 B",
		1024:                "1,024 B (1.0 KiB)",
		1000003:             "1,000,003 B (976.6 KiB)",
		1<<20 - 1:           "1,048,575 B (1.0 MiB)", // not 1024.0 KiB
		1 << 30:             "1,073,741,824 B (1.0 GiB)",
		math.MaxUint64:      "18,446,744,073,709,551,615 B (16.0 EiB)",
		13002341:            "13,002,341 B (12.4 MiB)",
		1<<20 - 60:          "1,048,516 B (1023.9 KiB)",
		123456789012:        "123,456,789,012 B (115.0 GiB)",
		1234567890123456789: "1,234,567,890,123,456,789 B (1.1 EiB)",
	} {
		if got := exactBytes(n); got != want {
			t.Errorf("exactBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCounted(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 blocks", 1: "1 block", 2: "2 blocks", 10240: "10,240 blocks"} {
		if got := counted(n, "block"); got != want {
			t.Errorf("counted(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestShare(t *testing.T) {
	const most = math.MaxUint64
	for _, tc := range []struct {
		part, whole uint64
		want        string
	}{
		{653, 1000, "65.3 %"},
		{0, 7, "0 %"},
		{7, 7, "100 %"},
		{most, most, "100 %"},
		{most - 1, most, ">99.9 %"},
		{99999, 100000, ">99.9 %"},
		{1, 100000, "<0.1 %"},
		{8, 7, ">100 %"},
	} {
		if got := share(tc.part, tc.whole); got != tc.want {
			t.Errorf("share(%d, %d) = %q, want %q", tc.part, tc.whole, got, tc.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for f, want := range map[float64]string{-1: "unknown", 0: "0 %", 1: "100 %", 0.99999: ">99.9 %", 0.0001: "<0.1 %", 1.5: ">100 %", 0.625: "62.5 %"} {
		if got := percent(f); got != want {
			t.Errorf("percent(%v) = %q, want %q", f, got, want)
		}
	}
	if got := percent(math.NaN()); got != "unknown" {
		t.Errorf("percent(NaN) = %q", got)
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{
		0:           "0 s",
		0.0001:      "<1 ms",
		0.5:         "500 ms",
		0.9996:      "1.0 s",
		29.84:       "29.8 s",
		59.96:       "1 min 0 s", // not 60.0 s
		3599.6:      "1 h 0 min",
		7980:        "2 h 13 min",
		86399:       "1 d 0 h",
		30 * 86400:  "30 d 0 h",
		1e300:       ">10000 d",
		-1:          "unknown",
		math.Inf(1): ">10000 d",
	} {
		if got := Seconds(s); got != want {
			t.Errorf("seconds(%v) = %q, want %q", s, got, want)
		}
	}
}

func TestGrowth(t *testing.T) {
	for _, tc := range []struct {
		rate        float64
		outstanding uint64
		traced      float64
		want        string
	}{
		{0, 0, 30, "steady"},
		{10, 1 << 20, 30, "steady"}, // 300 B of 1 MiB
		{-10, 1 << 20, 30, "steady"},
		{10, 1 << 20, 3600, "growing 600 B/min"},
		{282624, 8493465, 30, "growing 276.0 KiB/s"},
		{-2100, 412000, 30, "shrinking 2.1 KiB/s"},
		{100, 3000, 30, "growing 5.9 KiB/min"},
		{0.01, 300, 30000, "growing 36 B/h"},
		{1e-6, 1, 1e6, "growing <1 B/h"},
		{1e30, 1, 1, "growing >1024 EiB/s"},
		{5, 1000, 0, "growing 300 B/min"},
		{math.Inf(-1), 1, 1, "shrinking >1024 EiB/s"},
		{math.NaN(), 1, 1, "growth unknown"},
	} {
		if got := growth(tc.rate, tc.outstanding, tc.traced); got != tc.want {
			t.Errorf("growth(%v, %d, %v) = %q, want %q", tc.rate, tc.outstanding, tc.traced, got, tc.want)
		}
	}
}

func TestRateWithin(t *testing.T) {
	for _, test := range []struct {
		value, low, high float64
		want             string
	}{
		{2048, 1024, 3072, "~2.0 KiB/s [1.0 - 3.0]"},
		{38 << 10 / 60.0, 16 << 10 / 60.0, 1200, "~38.0 KiB/min [16.0 - 70.3]"},
		{8.5, 2.25, 31, "~510 B/min [135 - 1,860]"},
		{1 << 20, 0, 3 << 30, "~1.0 MiB/s [0 - 3,072]"},
		{1 << 20, 1, 2 << 20, "~1.0 MiB/s [<0.1 - 2.0]"},
		{1, 0.001, 2, "~60 B/min [<1 - 120]"},
		{0, 0, 4096, "~0 KiB/s [0 - 4.0]"},
		{0, 0, 0, "~0 B/h [0 - 0]"},
		{math.NaN(), math.NaN(), math.Inf(1), "~0 EiB/s [0 - very many]"},
	} {
		if got := RateWithin(test.value, test.low, test.high); got != test.want {
			t.Errorf("%v, %v to %v: %q, want %q", test.value, test.low, test.high, got, test.want)
		}
	}
}

func TestRate(t *testing.T) {
	for _, test := range []struct {
		rate float64
		want string
	}{
		{0, "0 B/s"},
		{2048, "2.0 KiB/s"},
		{1023, "59.9 KiB/min"},
		{1.0 / 60, "1 B/min"},
		{1.0 / 3600, "1 B/h"},
		{1e-9, "<1 B/h"},
		{-2048, "-2.0 KiB/s"},
		{math.Inf(1), ">1024 EiB/s"},
		{math.NaN(), "<1 B/h"},
	} {
		if got := Rate(test.rate); got != test.want {
			t.Errorf("%v: %q, want %q", test.rate, got, test.want)
		}
	}
}
