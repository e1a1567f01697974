package report

// ThreadSum is what a thread has allocated that is outstanding.
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
