/// Calm, readable at arm's length and on paper: one column, one accent for each meaning, figures in columns.
let styleSheet: Markup = """

    :root{color-scheme:light dark;--paper:#fdfcfa;--ink:#1e1d1b;--soft:#625d56;--rule:#e5e1da;--wash:#f4f1eb;\
    --run:#35658f;--cached:#a8bccb;--bad:#b3261e;--good:#2a6a3e;--stopped:#8a847b;--memory:#8d5b1c}
    @media screen and (prefers-color-scheme:dark){:root{--paper:#171614;--ink:#eceae5;--soft:#a9a49b;--rule:#383530;\
    --wash:#211f1c;--run:#7db0db;--cached:#48606f;--bad:#ff8f80;--good:#80c796;--stopped:#8a847b;--memory:#dba765}}
    *{box-sizing:border-box;margin:0;padding:0}
    html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
    body{background:var(--paper);color:var(--ink);font:15px/1.5 Inter,system-ui,-apple-system,"Segoe UI",Roboto,\
    "Liberation Sans",sans-serif;font-variant-numeric:tabular-nums;padding:1.25rem 1rem 2rem;overflow-wrap:anywhere}
    main,footer{max-width:66rem;margin:0 auto}
    code,pre{font-family:ui-monospace,"SF Mono","Cascadia Mono","JetBrains Mono","DejaVu Sans Mono",Menlo,Consolas,\
    monospace;font-size:.86em}
    h1{font-size:1.7rem;line-height:1.15;font-weight:650;letter-spacing:-.02em;margin:.2rem 0 .6rem}
    h2{font-size:1.15rem;font-weight:650;letter-spacing:-.01em;margin-bottom:.7rem}
    .whole{white-space:nowrap}
    h3{font-size:.93rem;font-weight:600;margin-bottom:.3rem}
    section{margin-top:2.4rem;border-top:1px solid var(--rule);padding-top:1.1rem}
    small,.soft{color:var(--soft)}
    small{font-size:.86em}
    .good{color:var(--good)}.bad{color:var(--bad)}.stopped{color:var(--soft)}
    .unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
    .brand{font-size:.8rem;font-weight:600;letter-spacing:.04em;color:var(--soft)}
    .subject code{font-size:1rem}
    .digest,.tags{color:var(--soft)}
    .lead{margin-top:.9rem;max-width:46rem}
    .facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:1rem 1.25rem;margin-top:1.5rem;\
    padding-top:1.1rem;border-top:1px solid var(--rule)}
    dt{font-size:.8rem;color:var(--soft)}
    dd{font-weight:600}
    dd small{display:block;font-weight:400}
    .error{border-top:3px solid var(--bad)}
    .message{font-size:1.06rem;font-weight:600;margin-bottom:.5rem}
    pre{background:var(--wash);border-left:3px solid var(--bad);padding:.7rem .9rem;margin:.9rem 0 .7rem;\
    white-space:pre-wrap;line-height:1.55}
    ul{list-style:none}
    li{padding:.28rem 0;border-bottom:1px solid var(--rule)}
    li:last-child{border:0}
    table{width:100%;border-collapse:collapse}
    caption{text-align:left;color:var(--soft);padding:.6rem 0 .4rem}
    .pair div+div{margin-top:1rem}
    th{font-weight:400;text-align:left}
    .figure{text-align:right;white-space:nowrap}
    .gantt,.gantt thead,.gantt tbody{display:block}
    .gantt tr,.use,.sizes tr{display:grid;grid-template-columns:minmax(0,1fr) auto;column-gap:.9rem;align-items:baseline}
    .gantt td:nth-child(2),.gantt thead th:nth-child(2),.sizes td:nth-child(2),.plot{grid-area:2/1/3/3}
    .gantt tbody tr,.sizes tbody tr{padding:.34rem 0 .42rem;border-top:1px solid var(--rule)}
    .gantt thead th:first-child,.gantt thead .figure{font-size:.8rem;color:var(--soft)}
    .gantt .group{display:block;padding-top:1rem;border-top:0}
    .gantt .group th{font-weight:600}
    .gantt .figure small{display:inline-block;min-width:3.2em}
    .lane,.axis,.plot{position:relative;border-right:3px solid transparent;background-clip:padding-box}
    .lane{height:.75rem;margin-top:.3rem}
    .lane,.plot{background-image:repeating-linear-gradient(to right,var(--rule) 0 1px,\
    transparent 1px var(--tick,100%))}
    .axis{height:1.2rem;font-size:.75rem;color:var(--soft);white-space:nowrap}
    .axis span{position:absolute;min-height:100%;border-left:1px solid var(--rule);padding-left:.25rem}
    .bar{position:absolute;top:0;bottom:0;min-width:3px;border-radius:1.5px;background:var(--run)}
    .bar.cached{background:var(--cached)}
    .bar.failed{background:var(--bad)}
    .bar.cancelled,.bar.size{background:var(--stopped)}
    .bar.unfinished{background:repeating-linear-gradient(-45deg,var(--stopped) 0 3px,transparent 3px 6px)}
    .legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.4rem 0 .6rem;color:var(--soft);font-size:.86em}
    .legend .bar{position:static;display:inline-block;width:1.5rem;height:.6rem;margin-right:.4rem}
    .use.begin{margin-top:1.6rem;padding-bottom:0}
    .use .axis{grid-column:1/3}
    .use{padding:.5rem 0}
    figcaption span{color:var(--soft)}
    .plot{height:6.5rem;margin-top:.35rem;border-bottom:1px solid var(--rule)}
    svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
    path{fill:none;vector-effect:non-scaling-stroke}
    .line{stroke-width:1.75px;stroke-linejoin:round}
    .line.processors{stroke:var(--run)}.line.memory{stroke:var(--memory)}
    .area{opacity:.16}
    .area.processors{fill:var(--run)}.area.memory{fill:var(--memory)}
    path.limit{stroke:var(--soft);stroke-dasharray:4 3;stroke-width:1px}
    .fall{stroke:var(--bad);stroke-width:2px}
    .mark,.fallen{position:absolute;font-size:.75rem;line-height:1.1;padding:0 .25rem;white-space:nowrap}
    .mark{right:0;color:var(--soft)}
    .fallen{top:100%;margin-top:.25rem;color:var(--bad);font-weight:600;padding:0}
    .fallen.before{transform:translateX(-100%)}
    .images,.images tbody{display:block}
    .images tr{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:.1rem .9rem;padding:.5rem 0;\
    border-top:1px solid var(--rule)}
    .images th{font-weight:600}
    .images td:nth-child(2){text-align:right}
    .images td:nth-child(3){grid-column:1/3}
    .images td:nth-child(4){text-align:left;color:var(--soft)}
    .sizes,.sizes tbody{display:block}
    .sizes caption{display:block}
    footer{margin-top:2.6rem;padding-top:.9rem;border-top:1px solid var(--rule);color:var(--soft);font-size:.8rem}
    @media (min-width:40rem){
    body{font-size:16px;padding:2.5rem 2rem 3rem}
    h1{font-size:2.6rem}
    .gantt tr,.use,.sizes tr{grid-template-columns:minmax(0,17rem) minmax(0,1fr) 7rem}
    .gantt td:nth-child(2),.gantt thead th:nth-child(2),.sizes td:nth-child(2),.plot,.use .axis{grid-area:auto}
    .gantt thead .figure{align-self:end}
    .lane{margin-top:0}
    figcaption span{display:block}
    .plot{margin-top:0;height:8rem}
    .use{align-items:start;padding:.7rem 0}
    .use.begin{align-items:end}
    .mark{right:auto;left:100%;margin-bottom:-.4rem;padding-left:.6rem}
    .images tr{grid-template-columns:8rem 6rem minmax(0,1fr) auto 5rem;align-items:baseline}
    .images td:nth-child(n){grid-column:auto;text-align:left}
    .images td:last-child{text-align:right}
    .pair{display:grid;grid-template-columns:1fr 1fr;gap:2rem}
    .pair div+div{margin-top:0}
    }
    @media (min-width:60rem){.gantt tr,.use,.sizes tr{grid-template-columns:minmax(0,24rem) minmax(0,1fr) 7.5rem}}
    @media print{
    @page{size:A4;margin:15mm 14mm}
    :root{--paper:#fff;--wash:#f6f4f0}
    body{padding:0;font-size:10pt}
    main,footer{max-width:none}
    *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
    h1{font-size:22pt}
    h2,h3,caption,thead{break-after:avoid}
    tr,li,figure,.facts div,.error{break-inside:avoid}
    section{margin-top:1.6rem}
    }

    """
