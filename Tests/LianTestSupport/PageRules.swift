/// What every page has to keep, as JavaScript for a browser that shows it: each comes to the faults that it finds, one a
/// line.
package enum PageRules {
    /// One heading for the page, one for each section, none that skips a level, a head for each table, a row heading in
    /// each row, and words for each drawing, or beside it.
    package static let structure = """
        (() => {
          const all = selector => [...document.querySelectorAll(selector)];
          const told = elements => elements.map(e => e.outerHTML.slice(0, 200));
          const levels = all('h1,h2,h3,h4,h5,h6').filter(h => h.offsetParent).map(h => Number(h.tagName[1]));
          const ids = all('[id]').map(e => e.id);
          return [
            all('h1').length != 1 && 'h1', all('main').length != 1 && 'main', levels[0] != 1 && 'no h1 first',
            ...levels.filter((level, i) => i > 0 && level > levels[i - 1] + 1).map(level => 'h' + level),
            ...ids.filter((id, i) => ids.indexOf(id) != i),
            ...told(all('section').filter(s => !s.querySelector('h2'))),
            ...told(all('section').filter(s => ids.filter(id => id == s.getAttribute('aria-labelledby')).length != 1)),
            ...told(all('table').filter(t => !t.querySelector('thead'))),
            ...told(all('tbody tr').filter(r => !r.querySelector('th[scope]'))),
            ...told(all('svg').filter(s => !s.getAttribute('aria-label') && s.getAttribute('aria-hidden') != 'true')),
          ].filter(x => x).join('\\n');
        })()
        """

    /// A name for each table, and for each control that is shown.
    package static let names = """
        [...[...document.querySelectorAll('table')].filter(t => !t.caption?.textContent.trim()).map(t => t.outerHTML),
         ...[...document.querySelectorAll('a,button,input,select,textarea,nav,form')].filter(e => e.offsetParent)
          .filter(e => !e.getAttribute('aria-label') && !e.textContent.trim() && !e.labels?.[0]?.textContent.trim())
          .map(e => e.outerHTML.slice(0, 200))].join('\\n')
        """

    /// At least 4.5 to 1 for every word, as WCAG counts it.
    package static let contrast = """
        (() => {
          const numbers = c => c.match(/[\\d.]+/g).map(Number);
          const light = c => numbers(c).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = e => {
            for (; e; e = e.parentElement) {
              const c = numbers(getComputedStyle(e).backgroundColor);
              if (c.length == 3 || c[3] > 0) return getComputedStyle(e).backgroundColor;
            }
            return 'rgb(255, 255, 255)';
          };
          return [...document.querySelectorAll('body *')]
            .filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim()))
            .map(e => [light(getComputedStyle(e).color), light(behind(e)), e.outerHTML.slice(0, 120)])
            .filter(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5)
            .map(x => x[2]).join('\\n');
        })()
        """
}
