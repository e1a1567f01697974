package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// guard decides who is served.
type guard struct {
	// token must come with each request, unless it is "".
	token string
	// hosts are the names that requests may call the server by, nil for any. A page that someone
	// else serves can have its own name point here (DNS rebinding), but not choose what the browser
	// calls that name.
	hosts []string
	// places bounds the requests that are served at once.
	places chan struct{}
	next   http.Handler
}

// mostAtOnce is how many requests are served at once.
const mostAtOnce = 16

func newGuard(addr *net.TCPAddr, token string, next http.Handler) *guard {
	g := &guard{token: token, places: make(chan struct{}, mostAtOnce), next: next}
	if addr.IP.IsLoopback() {
		g.hosts = localNames(addr)
	}
	return g
}

// localNames are the names of a loopback address with its port, which browsers leave out if it is
// that of HTTP.
func localNames(addr *net.TCPAddr) (names []string) {
	const portOfHTTP = 80
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]", bracketed(addr.IP)} {
		names = append(names, name+":"+strconv.Itoa(addr.Port))
		if addr.Port == portOfHTTP {
			names = append(names, name)
		}
	}
	return names
}

func bracketed(ip net.IP) string {
	if ip.To4() == nil {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	switch {
	case g.hosts != nil && !slices.Contains(g.hosts, strings.ToLower(r.Host)):
		http.Error(w, "this server is "+strings.Join(g.hosts[:3], ", ")+", and has no other name", http.StatusForbidden)
	case !g.known(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "the token is missing or wrong: give ?token=TOKEN, or Authorization: Bearer TOKEN", http.StatusUnauthorized)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served", http.StatusMethodNotAllowed)
	default:
		select {
		case g.places <- struct{}{}:
			defer func() { <-g.places }()
			g.next.ServeHTTP(w, r)
		default:
			busy(w, "too many requests at once", 1)
		}
	}
}

// busy says that whoever asks may ask again in so many seconds.
func busy(w http.ResponseWriter, text string, seconds int) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	http.Error(w, text, http.StatusServiceUnavailable)
}

// known reports whether a request has the token. How long that takes tells nothing of the token.
func (g *guard) known(r *http.Request) bool {
	if g.token == "" {
		return true
	}
	given := r.URL.Query().Get("token")
	if scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(text)
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(g.token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// setHeaders has browsers show what is served nowhere but by itself, guess no types, and keep
// nothing. Pages have a policy of their own beside this one.
func setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", sealed)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// sealed lets nothing run or load. framed is for pages that say themselves what may.
const (
	sealed = "default-src 'none'; frame-ancestors 'none'; sandbox"
	framed = "frame-ancestors 'none'"
)
