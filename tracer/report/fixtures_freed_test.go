package report

// forgetful says where what leaks is freed elsewhere.
func forgetful() *Report {
	r := typical()
	r.Stacks = r.Stacks[:1]
	r.Stacks[0].FreedBlocks, r.Stacks[0].Survival = 412, 0.96
	closing := func(caller string, line int) []Frame {
		return []Frame{
			{Address: 0x7f0a0f00aaaa, Function: "free", Module: "/usr/lib/x86_64-linux-gnu/libc.so.6", Offset: 0xaaaa, Library: true},
			sessiond("session_close", 0x1d01, "/build/sessiond/src/session.c", 160), sessiond(caller, 0x1d44, "/build/sessiond/src/server.c", line), mainFrame(),
		}
	}
	r.Stacks[0].Freed = &FreeSide{
		By: []Freer{{Share: 0.97, Samples: 512, OwnFrame: 1, Frames: closing("on_eof", 204)}, {Share: 0.03, Samples: 15, OwnFrame: 1, Frames: closing("on_reset", 215)}},
		Missing: &MissingFree{
			By: sessiond("on_timeout", 0x1e10, "/build/sessiond/src/server.c", 230), Like: sessiond("on_eof", 0x1d44, "/build/sessiond/src/server.c", 204),
			Other: sessiond("make_buffer", 0x1f00, "/build/sessiond/src/buffer.c", 12), Samples: 88,
		},
		Text: "Its blocks are freed by session_close < on_eof (session.c:160) (97 %) and session_close < on_reset (session.c:160) (3 %). " +
			"on_timeout frees what make_buffer allocates, as on_eof does, but none of these.",
	}
	return r
}
