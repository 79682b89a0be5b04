package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string

	// The template has the parts "page", "live", which is what changes, and "cache".
	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"css":     func() template.CSS { return template.CSS(pageCSS) },
		"js":      func() template.JS { return template.JS(pageJS) },
		"percent": func(ratio float64) string { return fmt.Sprintf("%.1f %%", 100*ratio) },
	}).Parse(pageHTML))

	// contentPolicy permits the style and the script of the page, and nothing else.
	contentPolicy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		hashOf(pageCSS), hashOf(pageJS))
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

const (
	updateInterval = time.Second
	writeTimeout   = 10 * time.Second // for one update; a browser that stops reading is dropped
)

// ServeHTTP serves the page, its stream of updates and its forms, under any path. The parameter
// filter selects the caches whose names contain it.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", contentPolicy)
	query := r.URL.Query()
	filter := query.Get("filter")
	page, err := strconv.Atoi(query.Get("page"))
	if err != nil {
		page = 1
	}
	switch {
	case r.Method == http.MethodPost:
		res := p.act(w, r)
		if res == nil {
			return
		}
		v := p.view(r.Context(), filter, page)
		v.Result, v.Chosen, v.Key = res, r.PostForm.Get("cache"), r.PostForm.Get("key")
		p.write(w, res.status, v)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD, POST")
		http.Error(w, "want GET, HEAD or POST", http.StatusMethodNotAllowed)
	case query.Has("stream") && r.Method == http.MethodGet:
		p.stream(w, r, filter, page)
	default:
		p.write(w, http.StatusOK, p.view(r.Context(), filter, page))
	}
}

// write writes the whole page.
func (p *Page) write(w http.ResponseWriter, status int, v *view) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser may have gone
}

// stream sends the part "live" of the page at each interval, as server-sent events (HTML
// Living Standard, section 9.2). It ends if the request does, if the browser does not read, or
// if the Page is closed.
func (p *Page) stream(w http.ResponseWriter, r *http.Request, filter string, page int) {
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		http.Error(w, "too many live pages are open", http.StatusServiceUnavailable)
		return
	}
	// Without deadlines a browser that stops reading would keep this goroutine.
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		http.Error(w, "no live updates: "+err.Error(), http.StatusNotImplemented)
		return
	}
	select {
	case <-p.closed:
		http.Error(w, "the page is closed", http.StatusServiceUnavailable)
		return
	default:
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for nginx
	ticker := time.NewTicker(updateInterval)
	defer ticker.Stop()
	for {
		if p.send(w, control, p.view(r.Context(), filter, page)) != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-p.closed:
			return
		}
	}
}

// send sends one event.
func (p *Page) send(w http.ResponseWriter, control *http.ResponseController, v *view) error {
	var b bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&b, "live", v); err != nil {
		return err
	}
	// A line break would end the line of data.
	text := bytes.ReplaceAll(bytes.TrimSpace(b.Bytes()), []byte("\r"), nil)
	text = bytes.ReplaceAll(text, []byte("\n"), []byte("\ndata: "))
	_, err := fmt.Fprintf(w, "data: %s\n\n", text)
	return errors.Join(err, control.Flush(),
		control.SetWriteDeadline(time.Now().Add(updateInterval+writeTimeout)))
}
