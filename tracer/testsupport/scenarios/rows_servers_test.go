//go:build scenarios

package scenarios

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"memtrace/tracer/report"
)

// rowsOfServers are servers that are installed, with clients that make them grow.
var rowsOfServers = []row{
	{name: "nginx half requests", run: "nginx -p DIR -c DIR/nginx.conf -e stderr", needs: "nginx", resident: true, prepare: configureNginx, beside: openRequests, after: s, expected: expected{
		truth: "requests begin and never end, each holds a connection's memory", kinds: kinds(report.Leak, report.ActiveLeak), culprit: "ngx_", tolerance: 0.2,
	}},
	{
		name: "postgresql extension", run: postgres, needs: "psql", worker: "postgres postgres [local] DO", prepare: initPostgres,
		beside: func(sc *scene) {
			sc.query("CREATE FUNCTION remember_query() RETURNS bool AS 'BIN/pg_history.so' LANGUAGE C; " +
				"DO $$ BEGIN LOOP PERFORM remember_query(); PERFORM pg_sleep(0.005); END LOOP; END $$;")
		},
		after: s, expected: blames("an extension's remember_query keeps queries as long as the session", "remember_query|copy_text"),
	},
	{
		name: "postgresql prepared", run: postgres, needs: "psql", worker: "postgres postgres [local] DO", prepare: initPostgres, resident: true,
		beside: func(sc *scene) {
			sc.query("DO $$ DECLARE i int := 0; BEGIN LOOP i := i + 1; EXECUTE format('PREPARE s%s AS SELECT * FROM pg_class WHERE relname = $1', i); " +
				"IF i % 4 = 0 THEN PERFORM pg_sleep(0.005); END IF; END LOOP; END $$;")
		},
		after: 2 * s, trace: 10 * s, expected: expected{
			truth: "statements are prepared and never deallocated, in contexts of their own", kinds: kinds(report.Leak, report.ActiveLeak), culprit: "(?i)plan|prepare|AllocSet", tolerance: 0.2,
		},
	},
}

const (
	asPostgres = "setpriv --reuid=postgres --regid=postgres --clear-groups "
	// A server outlives a test that is killed. It must not leak for ever then.
	postgres = asPostgres + "/usr/lib/postgresql/15/bin/postgres -D DIR/data -k DIR -c listen_addresses= -c autovacuum=off -c statement_timeout=2min"
)

// initPostgres makes a cluster of databases.
func initPostgres(sc *scene) {
	sc.must(sc.command(asPostgres + "/usr/lib/postgresql/15/bin/initdb -D DIR/data -A trust -U postgres --no-sync"))
}

// query has the server work on statements as soon as it can.
func (sc *scene) query(statements string) {
	// A server that is killed leaves its shared memory behind.
	sc.t.Cleanup(func() {
		_ = sc.command(asPostgres + "/usr/lib/postgresql/15/bin/pg_ctl stop -s -m immediate -D DIR/data").Run()
	})
	psql := func(statements string) *exec.Cmd {
		return sc.command(asPostgres+"psql -X -v ON_ERROR_STOP=1 -h DIR -U postgres -c", statements)
	}
	sc.wait("PostgreSQL", func() bool { return psql("SELECT 1").Run() == nil })
	sc.background(psql(statements))
}

// configureNginx lets nginx be one process, for many connections.
func configureNginx(sc *scene) {
	text := fmt.Sprintf("daemon off; master_process off; user root; pid nginx.pid; worker_rlimit_nofile 30000;\n"+
		"events { worker_connections 20000; }\n"+
		"http { access_log off; client_header_timeout 1h; client_header_buffer_size 4k;\n"+
		"server { listen unix:%s/nginx.sock backlog=1000; return 200; } }\n", sc.dir)
	if err := os.WriteFile(filepath.Join(sc.dir, "nginx.conf"), []byte(text), 0o644); err != nil {
		sc.t.Fatal(err)
	}
}

// openRequests sends nginx beginnings of requests, 300 a second.
func openRequests(sc *scene) {
	path := filepath.Join(sc.dir, "nginx.sock")
	sc.wait("nginx", func() bool { _, err := os.Stat(path); return err == nil })
	ctx := sc.t.Context()
	begin := append([]byte("GET / HTTP/1.1\r\nHost: a\r\nX-Long: "), bytes.Repeat([]byte("x"), 2000)...)
	go func() {
		var open []net.Conn
		for ; ctx.Err() == nil; time.Sleep(s / 300) {
			if c, err := net.Dial("unix", path); err == nil {
				_, _ = c.Write(begin)
				open = append(open, c)
			}
		}
		for _, c := range open {
			_ = c.Close()
		}
	}()
}
