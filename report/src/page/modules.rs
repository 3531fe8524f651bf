//! Joins the page's ES modules into one classic script.
//!
//! A page that is opened from a disk may import no other file, and `data:` URLs in an import map would need a wider content
//! policy, bare specifiers and an encoding that no one can debug. So the modules are put into functions, each after those it
//! imports, and imports become constants. Only the few forms the page needs are understood; anything else is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    error, fmt,
};

/// Why modules cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    file: String,
    /// Counts from 1; 0 if it is the file as a whole.
    line: usize,
    reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page/js/{}:{}: {}", self.file, self.line, self.reason)
    }
}

impl error::Error for Refused {}

/// An import: the module, and each name there with its name here.
struct Import {
    line: usize,
    from: String,
    names: Vec<(String, String)>,
}

struct Module {
    imports: Vec<Import>,
    exports: BTreeSet<String>,
    /// The text without `import` and `export`.
    body: String,
}

/// The script that runs the entry module, from all modules by their paths.
///
/// # Errors
/// A statement is of a form that is not understood, a module or an exported name does not exist, modules import each
/// other in a circle, or nothing imports a module.
pub(crate) fn join(texts: &BTreeMap<String, String>, entry: &str) -> Result<String, Refused> {
    let mut modules = BTreeMap::new();
    for (path, text) in texts {
        modules.insert(path.as_str(), parse(path, text)?);
    }
    if !modules.contains_key(entry) {
        return Err(Refused {
            file: entry.to_owned(),
            line: 0,
            reason: "the entry does not exist".to_owned(),
        });
    }
    let mut order = Vec::new();
    visit(entry, &modules, &mut Vec::new(), &mut order)?;
    if let Some(unused) = modules.keys().find(|path| !order.contains(path)) {
        let reason = format!("nothing that {entry} imports imports this module");
        return Err(Refused { file: (*unused).to_owned(), line: 0, reason });
    }
    let number = |path: &str| order.iter().position(|known| *known == path).unwrap_or(order.len());
    let mut script = String::new();
    for (place, path) in order.iter().enumerate() {
        let module = &modules[path];
        script += &format!("// {path}\nconst $module{place} = (() => {{\n");
        for import in module.imports.iter().filter(|import| !import.names.is_empty()) {
            let names: Vec<String> =
                import.names.iter().map(|(there, here)| format!("{there}: {here}")).collect();
            script += &format!("const {{ {} }} = $module{};\n", names.join(", "), number(&import.from));
        }
        let exports: Vec<&str> = module.exports.iter().map(String::as_str).collect();
        script += &format!("{}return {{ {} }};\n}})();\n", module.body, exports.join(", "));
    }
    Ok(script)
}

/// Puts a module behind all that it imports.
fn visit<'a>(
    path: &'a str,
    modules: &'a BTreeMap<&'a str, Module>,
    open: &mut Vec<&'a str>,
    order: &mut Vec<&'a str>,
) -> Result<(), Refused> {
    if order.contains(&path) {
        return Ok(());
    }
    open.push(path);
    for Import { line, from, names } in &modules[path].imports {
        let refused = |reason| Err(Refused { file: path.to_owned(), line: *line, reason });
        let Some((from, module)) = modules.get_key_value(from.as_str()) else {
            return refused(format!("{from} does not exist"));
        };
        if let Some((name, _)) = names.iter().find(|(name, _)| !module.exports.contains(name)) {
            return refused(format!("{from} exports no {name}"));
        }
        if open.contains(from) {
            return refused(format!("{from} imports this module in turn"));
        }
        visit(from, modules, open, order)?;
    }
    open.pop();
    order.push(path);
    Ok(())
}

fn parse(path: &str, text: &str) -> Result<Module, Refused> {
    let mut module = Module { imports: Vec::new(), exports: BTreeSet::new(), body: String::new() };
    for (index, line) in text.lines().enumerate() {
        let refused =
            |reason: &str| Refused { file: path.to_owned(), line: index + 1, reason: reason.to_owned() };
        let word = line.trim_start();
        if ["import(", "import.meta", "</script", "<!--", "$module"].iter().any(|part| line.contains(part)) {
            return Err(refused("this may not stand in a module of the page"));
        }
        if word.starts_with("import ") || word.starts_with("import{") || word.starts_with("import\"") {
            let (names, from) = import(line).ok_or_else(|| {
                refused("an import stands on one line: `import { name, name as other } from \"./file.js\";`")
            })?;
            let from = resolved(path, &from).ok_or_else(|| refused("an import begins with `./` or `../`"))?;
            module.imports.push(Import { line: index + 1, from, names });
            // An empty line keeps the numbers of the others.
            module.body.push('\n');
            continue;
        }
        let rest = if word.starts_with("export ") || word.starts_with("export{") {
            let declared = line.strip_prefix("export ").and_then(|rest| Some((rest, declared(rest)?)));
            let (rest, name) = declared.ok_or_else(|| {
                refused("an export is a `const NAME =`, `function NAME(` or `class NAME {`")
            })?;
            module.exports.insert(name.to_owned());
            rest
        } else {
            line
        };
        module.body.push_str(rest);
        module.body.push('\n');
    }
    Ok(module)
}

/// The names and the path of an import.
fn import(line: &str) -> Option<(Vec<(String, String)>, String)> {
    let rest = line.strip_prefix("import ")?.strip_suffix("\";")?;
    if let Some(path) = rest.strip_prefix('"') {
        return (!path.contains('"')).then(|| (Vec::new(), path.to_owned()));
    }
    let (names, path) = rest.strip_prefix("{ ")?.split_once(" } from \"")?;
    let mut pairs = Vec::new();
    for name in names.split(", ") {
        let (there, here) = name.split_once(" as ").unwrap_or((name, name));
        if !is_name(there) || !is_name(here) {
            return None;
        }
        pairs.push((there.to_owned(), here.to_owned()));
    }
    (!path.contains('"')).then(|| (pairs, path.to_owned()))
}

/// The name that a declaration declares.
fn declared(declaration: &str) -> Option<&str> {
    let kinds = [("const ", " ="), ("function ", "("), ("async function ", "("), ("class ", " ")];
    let name = kinds.iter().find_map(|(kind, end)| declaration.strip_prefix(kind)?.split_once(end))?.0;
    is_name(name).then_some(name)
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The path of a module that another one names.
fn resolved(importer: &str, specifier: &str) -> Option<String> {
    let mut parts: Vec<&str> = importer.split('/').collect();
    parts.pop();
    if !specifier.starts_with("./") && !specifier.starts_with("../") {
        return None;
    }
    for part in specifier.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(files: &[(&str, &str)]) -> Result<String, String> {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        join(&files, "main.js").map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_module_stands_behind_all_that_it_imports_and_keeps_its_names_to_itself() {
        let script = joined(&[
            ("main.js", "import { one as first } from \"./a.js\";\nimport \"./views/b.js\";\nrun(first);\n"),
            ("a.js", "const hidden = 1;\nexport const one = hidden;\nexport function two() {}\n"),
            ("views/b.js", "import { one, two } from \"../a.js\";\ntwo(one);\n"),
        ]);
        let expected = "// a.js\nconst $module0 = (() => {\nconst hidden = 1;\nconst one = hidden;\nfunction two() {}\n\
             return { one, two };\n})();\n// views/b.js\nconst $module1 = (() => {\nconst { one: one, two: two } = $module0;\n\n\
             two(one);\nreturn {  };\n})();\n// main.js\nconst $module2 = (() => {\nconst { one: first } = $module0;\n\n\nrun(first);\n\
             return {  };\n})();\n";
        assert_eq!(script.as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        for (line, reason) in [
            ("import * as a from \"./a.js\";", "stands on one line"),
            ("import a from \"./a.js\";", "stands on one line"),
            ("import { a } from './a.js';", "stands on one line"),
            ("import {", "stands on one line"),
            ("  import { a } from \"./a.js\";", "stands on one line"),
            ("import { a } from \"a.js\";", "begins with"),
            ("import { a } from \"../a.js\";", "begins with"),
            ("import { a } from \"./none.js\";", "does not exist"),
            ("import { b } from \"./a.js\";", "a.js exports no b"),
            ("export default 1;", "an export is"),
            ("export let a = 1;", "an export is"),
            ("export const { a } = b;", "an export is"),
            ("export { a };", "an export is"),
            ("  export const a = 1;", "an export is"),
            ("const a = await import(\"./a.js\");", "may not stand"),
            ("const a = \"</script>\";", "may not stand"),
        ] {
            let main = format!("import \"./a.js\";\n{line}\n");
            let refused = joined(&[("main.js", &main), ("a.js", "export const a = 1;\n")]).unwrap_err();
            assert!(
                refused.starts_with("page/js/main.js:2: ") && refused.contains(reason),
                "{line}: {refused}"
            );
        }
    }

    #[test]
    fn circles_and_forgotten_modules_are_refused() {
        let circle = joined(&[("main.js", "import \"./a.js\";\n"), ("a.js", "import \"./main.js\";\n")]);
        assert_eq!(circle, Err("page/js/a.js:1: main.js imports this module in turn".to_owned()));
        let forgotten = joined(&[("main.js", "\n"), ("views/new.js", "\n")]);
        assert_eq!(
            forgotten,
            Err("page/js/views/new.js:0: nothing that main.js imports imports this module".to_owned())
        );
        assert_eq!(joined(&[]), Err("page/js/main.js:0: the entry does not exist".to_owned()));
    }
}
