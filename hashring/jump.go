package hashring

// Jump is the jump consistent hash of Lamping and Veach ("A Fast, Minimal
// Memory, Consistent Hash Algorithm", 2014): a bucket in [0, n), or -1 if n <
// 1. From n to n+1 buckets a hash either stays or goes to the new one. It needs
// no memory and is as even as the hash, but buckets are numbers: only the last
// one can be removed, and all who ask must number the nodes alike. It draws 31
// bits for each of about ln(n) jumps, so that it is even up to n of some
// billions.
//
// O(log n); no allocation. Unlike in the paper's code, which counts in int64
// and may overflow, the loop compares before it converts, and ends for every n.
func Jump(hash uint64, n int) int {
	if n < 1 {
		return -1
	}
	bucket, end := int64(0), float64(n)
	for {
		hash = hash*2862933555777941757 + 1
		next := float64(bucket+1) * (float64(1<<31) / float64(int64(hash>>33)+1))
		if !(next < end) {
			return int(bucket)
		}
		bucket = int64(next)
	}
}
