package terminal

import (
	"fmt"
	"html"
	"image/color"
	"io"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
)

// The picture's measures, in pixels, and its colors.
const (
	columnWidth = 8.4
	rowHeight   = 20
	border      = 16
	bar         = 36 // above the text
	fontSize    = 14

	background = "#0d1117"
	usual      = "#c9d1d9"
	bright     = "#ffffff"
	faint      = "#8b949e"
	red        = "#ff7b72"
	green      = "#7ee787"
)

// SVG draws the screen. label says what it shows.
func (t *Terminal) SVG(w io.Writer, label string) error {
	cells := t.cells()
	for len(cells) > 0 && blank(cells[len(cells)-1]) {
		cells = cells[:len(cells)-1]
	}
	t.mu.Lock()
	width := int(float64(t.columns)*columnWidth) + 2*border
	t.mu.Unlock()
	height := bar + len(cells)*rowHeight + border
	var b strings.Builder
	label = html.EscapeString(label)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">
<title>%s</title>
<rect width="%d" height="%d" rx="8" fill="%s"/>
<circle cx="20" cy="18" r="6" fill="#ff5f56"/><circle cx="40" cy="18" r="6" fill="#ffbd2e"/><circle cx="60" cy="18" r="6" fill="#27c93f"/>
<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace" font-size="%d">
`, width, height, width, height, label, label, width, height, background, fontSize)
	for y, row := range cells {
		drawRow(&b, y, row)
	}
	b.WriteString("</g>\n</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func blank(row []uv.Cell) bool {
	for i := range row {
		if row[i].Content != " " {
			return false
		}
	}
	return true
}

// drawRow writes a text element for each run of one style, without spaces around it.
func drawRow(b *strings.Builder, y int, row []uv.Cell) {
	x := 0
	for i := 0; i < len(row); {
		first, at := i, x
		var text strings.Builder
		for ; i < len(row) && row[i].Style.Equal(&row[first].Style) && !gap(row[i:]); i++ {
			text.WriteString(row[i].Content)
			x += row[i].Width
		}
		if i == first {
			x += row[i].Width
			i++
			continue
		}
		shown := strings.TrimRight(text.String(), " ")
		wide := x - at - (text.Len() - len(shown))
		shown, lead := strings.TrimLeft(shown, " "), len(shown)-len(strings.TrimLeft(shown, " "))
		if shown == "" {
			continue
		}
		fill, weight := look(&row[first].Style)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
			border+float64(at+lead)*columnWidth, bar+rowHeight*y+border, fill, weight, float64(wide-lead)*columnWidth, html.EscapeString(shown))
	}
}

// gap reports whether a row goes on with two spaces: what follows is placed on its own.
func gap(row []uv.Cell) bool {
	return row[0].Content == " " && (len(row) == 1 || row[1].Content == " ")
}

// look is the color of a style, and the attribute of its weight.
func look(s *uv.Style) (fill, weight string) {
	if s.Attrs&uv.AttrBold != 0 {
		fill, weight = bright, ` font-weight="bold"`
	}
	if s.Attrs&uv.AttrFaint != 0 {
		fill = faint
	}
	if s.Fg != nil {
		switch r, g, _, _ := color.NRGBAModel.Convert(s.Fg).RGBA(); {
		case r > g:
			fill = red
		default:
			fill = green
		}
	}
	if fill == "" {
		fill = usual
	}
	return fill, weight
}
