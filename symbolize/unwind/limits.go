package unwind

// These bounds limit what one file may make Build read, keep or do. Each is more than 7 times
// what libLLVM 19 needs: 59 MB of .text, 6 MB of .eh_frame, 118,000 FDEs and 1.06 million
// rows.
const (
	maxSectionBytes = 64 << 20 // frame section, after decompression
	maxFDEs         = 2 << 20
	maxRows         = 8 << 20   // rows before merging, 8 bytes each while building
	maxPages        = 64 << 10  // 64 KiB pages from the lowest executable address: 4 GiB
	maxSegments     = 64        // executable segments that are considered
	maxAnalysed     = 16 << 20  // bytes of code without FDEs that are analysed
	maxSymbols      = 4 << 20   // of each table
	maxSequences    = 256 << 10 // distinct sequences of rows that are counted, about 100 bytes each

	// Of Go programs, the largest of which have 100 MB of text.
	windowBytes = 256 << 10 // of the text that are read at a time
	maxWindows  = 4096
	maxGoFrame  = 1 << 30 // bytes: the largest stack of a goroutine
	maxSwitch   = 4 << 10 // bytes of code of a function that changes stacks
	maxSwitches = 1024    // such functions; there are about 30
	maxChain    = 4       // pointers from a word of the thread to its goroutine's stack

	// A CIE is parsed once, however many FDEs point to it. But the CIEs of a hostile file may
	// overlap, so their number times their length bounds the work. Real CIEs have about 20 to
	// 200 bytes, and linkers merge equal ones.
	maxCIEs     = 64 << 10
	maxCIEBytes = 4 << 10

	// DW_CFA_remember_state nests once or twice in compiled code.
	maxRemembered = 64
)
