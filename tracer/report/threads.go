package report

// ThreadSum is the outstanding blocks that a thread allocated. TID 0 stands for all threads that
// are not told apart. Name is empty where it is not known.
type ThreadSum struct {
	TID  int    `json:"tid"`
	Name string `json:"name"`
	Sum
}

// representableThreads returns a copy in which every name fits into JSON.
func representableThreads(list []ThreadSum) []ThreadSum {
	list = append([]ThreadSum(nil), list...)
	for i := range list {
		list[i].Name = bounded(list[i].Name)
	}
	return list
}
