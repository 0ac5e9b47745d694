// Package report counts what a fleet experiences during a load test, and prints it.
package report

import (
	"maps"
	"math"
	"slices"
	"time"
)

// bucketsPerDoubling is the number of buckets in which a duration doubles. The bounds of a bucket
// differ by 2.2 %.
const bucketsPerDoubling = 32

// A Histogram counts durations in buckets, so that those of several processes can be added. The
// zero Histogram is empty.
type Histogram struct {
	Counts map[int]int64 `json:"counts,omitempty"` // by the number of the bucket
	Total  int64         `json:"total"`
	Max    time.Duration `json:"max"` // in nanoseconds
}

// Add counts a duration.
func (h *Histogram) Add(d time.Duration) {
	if h.Counts == nil {
		h.Counts = map[int]int64{}
	}
	h.Counts[bucketOf(d)]++
	h.Total++
	h.Max = max(h.Max, d)
}

// Merge adds the counts of another histogram.
func (h *Histogram) Merge(other Histogram) {
	if h.Counts == nil {
		h.Counts = map[int]int64{}
	}
	for bucket, n := range other.Counts {
		h.Counts[bucket] += n
	}
	h.Total += other.Total
	h.Max = max(h.Max, other.Max)
}

// Quantile returns the duration below which the share q of all durations is, to the upper bound of
// its bucket. It returns zero if the histogram is empty.
func (h Histogram) Quantile(q float64) time.Duration {
	rank, seen := int64(math.Ceil(q*float64(h.Total))), int64(0)
	for _, bucket := range slices.Sorted(maps.Keys(h.Counts)) {
		if seen += h.Counts[bucket]; seen >= rank {
			return min(upperBound(bucket), h.Max)
		}
	}
	return 0
}

// bucketOf returns the bucket of a duration. Durations up to a microsecond share one.
func bucketOf(d time.Duration) int {
	return int(math.Log2(max(float64(d)/float64(time.Microsecond), 1)) * bucketsPerDoubling)
}

func upperBound(bucket int) time.Duration {
	return time.Duration(math.Exp2(float64(bucket+1)/bucketsPerDoubling) * float64(time.Microsecond))
}
