//! `index.html`: plots and tables on one page that needs no other file.

use crate::{
    groups::groups,
    plots::machine,
    table::{HEAD, LEGEND, letter, tables},
};
use veilbench_results::{Finding, Run, Summary};

const STYLE: &str = "body{font:15px/1.5 'DejaVu Sans',Verdana,sans-serif;color:#202024;max-width:1320px;margin:2em \
    auto;padding:0 1em}svg{max-width:100%;height:auto}div{overflow-x:auto}table{border-collapse:collapse;\
    font-size:13px}td,th{padding:.25em .7em;border-bottom:1px solid #e2e2e6;text-align:left;white-space:nowrap}";

/// The page, with the plots as SVG text.
pub(crate) fn html(run: &Run, rows: &[Summary], findings: &[Finding], plots: &[String]) -> String {
    let groups = groups(rows);
    let name = escaped(&run.name);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>veilbench: {name}</title>\
         <style>{STYLE}</style></head>\n<body>\n<h1>Run {name}</h1>\n<p>{}, begun {}.</p>\n",
        escaped(&machine(run)),
        escaped(&run.created)
    );
    if !findings.is_empty() {
        page += &format!("<p>{} findings in the run's files: see summary.md.</p>\n", findings.len());
    }
    for plot in plots {
        page += plot;
        page.push('\n');
    }
    page += &format!("<p>{LEGEND}</p>\n");
    for (title, rows) in tables(rows, &groups) {
        page += &format!("<h2>{}</h2>\n<div><table>\n", escaped(&title));
        page += &line("th", HEAD.map(str::to_owned));
        for cells in rows {
            page += &line("td", cells);
        }
        page += "</table></div>\n";
    }
    page += "<h2>Protection</h2>\n<div><table>\n";
    for (index, group) in groups.iter().enumerate() {
        let cells = [letter(index), group.name().to_owned(), group.protection(), group.backends.join(", ")];
        page += &line("td", cells);
    }
    page += "</table></div>\n</body>\n</html>\n";
    page
}

fn line<const N: usize>(tag: &str, cells: [String; N]) -> String {
    let cells = cells.map(|cell| format!("<{tag}>{}</{tag}>", escaped(&cell)));
    format!("<tr>{}</tr>\n", cells.concat())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
