//! Everything a person can get wrong in a file: a clear word, a non-zero exit, nothing changed.

use std::fs;

use tests::{Cluster, Kubectl, Source, eventually, params};

const WORKFLOW: &str = "\
kind: Workflow
apiVersion: v1
metadata: { name: w }
spec:
  entryNodeName: a
  workflowNodes:
  - name: a
    type: func
    funcData: { funcName: f, funcNamespace: default, nextNodeName: b }
  - name: b
    type: func
    funcData: { funcName: f, funcNamespace: default }
";

/// Applies `yaml`, which must be refused with all of `words` and leave nothing behind.
#[track_caller]
fn refused(cluster: &Cluster, yaml: &str, words: &[&str]) {
    let file = cluster.home().join("bad.yaml");
    fs::write(&file, yaml).unwrap();
    let kubectl = cluster.kubectl();
    let said = kubectl.refuse(&["apply", file.to_str().unwrap()]);
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
    assert_eq!(
        kubectl.run(&["get", "functions,workflows,statemachines", "-o", "name"]),
        ""
    );
}

fn function(fields: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Function\nmetadata: {{ name: f }}\nspec:\n  source: {{ inline: {{ func.py: \"def main(p): return p\" }} }}\n{fields}"
    )
}

#[test]
fn files_that_say_nothing_sensible_are_refused() {
    let cluster = Cluster::start();
    refused(
        &cluster,
        "kind: Function\n  metadata: [",
        &["bad.yaml", "line"],
    );
    refused(
        &cluster,
        &function("").replace("Function", "Funktion"),
        &["Funktion"],
    );
    refused(
        &cluster,
        &function("  timeoutSecond: 5\n"),
        &["bad.yaml", "timeoutSecond", "timeoutSeconds"],
    );
    refused(
        &cluster,
        &function("  timeoutSeconds: soon\n"),
        &["timeoutSeconds", "soon"],
    );
    refused(
        &cluster,
        &function("  timeoutSeconds: 0\n"),
        &["timeoutSeconds", "0"],
    );
    refused(
        &cluster,
        &function("  scaling: { minReplicas: 5, maxReplicas: 2 }\n"),
        &["minReplicas"],
    );
    let missing = cluster.kubectl().refuse(&["apply", "nowhere.yaml"]);
    assert!(missing.contains("nowhere.yaml"), "{missing}");
}

#[test]
fn names_out_of_bounds_are_refused() {
    let cluster = Cluster::start();
    let long = "x".repeat(81);
    for bad in ["a/b", "a b", "''", "ä", &long] {
        let yaml = function("").replace("{ name: f }", &format!("{{ name: {bad} }}"));
        refused(&cluster, &yaml, &["name"]);
    }
    let good = function("").replace("name: f", &format!("name: {}", "x".repeat(80)));
    cluster.kubectl().run_with(&["apply", "-f", "-"], &good);
}

#[test]
fn code_that_cannot_be_a_function_is_refused_before_it_is_sent() {
    let cluster = Cluster::start();
    let home = cluster.home().to_owned();
    let kubectl = cluster.kubectl();
    let refuse = |source: &Source| kubectl.refuse(&["apply", source.yaml()]);

    let source = Source::write(&home, "nodir", "", "");
    fs::remove_dir_all(source.yaml().replace("function.yaml", "code")).unwrap();
    assert!(refuse(&source).contains("code"));

    let said = refuse(&Source::write(
        &home,
        "noentry",
        "def other(x):\n    return x\n",
        "",
    ));
    assert!(
        said.contains("main(params)") && said.contains("handler"),
        "{said}"
    );

    let said = refuse(&Source::write(
        &home,
        "syntax",
        "def main(params):\n    return (\n",
        "",
    ));
    assert!(said.contains("func.py") && said.contains('2'), "{said}");
    assert!(kubectl.items(&["get", "functions"]).is_empty());
}

#[test]
fn one_bad_document_keeps_all_others_from_being_written() {
    let cluster = Cluster::start();
    let yaml = format!(
        "{}---\n{}",
        function(""),
        WORKFLOW.replace("entryNodeName: a", "entryNodeName: zzz")
    );
    refused(&cluster, &yaml, &["zzz"]);
}

#[test]
fn workflows_that_lead_nowhere_are_refused() {
    let cluster = Cluster::start();
    refused(
        &cluster,
        &WORKFLOW.replace("nextNodeName: b", "nextNodeName: c"),
        &["nextNodeName", "c"],
    );
    let looped = WORKFLOW.replace(
        "funcNamespace: default }",
        "funcNamespace: default, nextNodeName: a }",
    );
    refused(&cluster, &looped, &["a"]);
    refused(&cluster, &WORKFLOW.replace("name: b", "name: a"), &["a"]);
    refused(
        &cluster,
        &WORKFLOW.replace("type: func", "type: funk"),
        &["funk"],
    );
    let machine = r#"{"Name": "m", "StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "f", "Next": "B"}}}"#;
    refused(&cluster, machine, &["B"]);
}

#[test]
fn a_requirement_that_does_not_exist_fails_the_build_and_every_held_call() {
    let cluster = Cluster::start();
    let source = Source::write(cluster.home(), "needy", &params("1"), "");
    source.file("requirements.txt", "./no-such-package-of-troupe\n");
    let said = cluster.kubectl().say(&["apply", source.yaml()]);
    let told = format!("{}{}", said.out, said.err);
    let answer = cluster.gateway().post("/function/needy", "{}");
    let status = answer.expect(503);
    assert!(
        status["message"]
            .to_string()
            .contains("no-such-package-of-troupe"),
        "{status} after {told}"
    );
    built(&cluster.kubectl(), "needy", "False");
    let events = cluster.kubectl().run(&["describe", "function", "needy"]);
    assert!(events.contains("no-such-package-of-troupe"), "{events}");

    // Mended, it works.
    source.without("requirements.txt");
    cluster.kubectl().run(&["apply", source.yaml()]);
    assert_eq!(
        cluster.gateway().post("/function/needy", "{}").expect(200),
        serde_json::json!(1)
    );
}

#[test]
fn code_that_fails_at_import_answers_held_calls_with_the_reason() {
    let cluster = Cluster::start();
    cluster.apply(
        "import",
        "import nothing_of_that_name\ndef main(params):\n    return 1\n",
        "",
    );
    let answer = cluster.gateway().post("/function/import", "{}");
    assert!(matches!(answer.status, 500 | 503), "{answer:?}");
    assert!(answer.text().contains("nothing_of_that_name"), "{answer:?}");
}

fn built(kubectl: &Kubectl, name: &str, wanted: &str) {
    eventually("the condition Built", || {
        let function = kubectl.json(&["get", "function", name]);
        let conditions = function["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let built = conditions
            .iter()
            .find(|c| c["type"] == "Built")
            .cloned()
            .unwrap_or_default();
        if built["status"] == wanted {
            Ok(())
        } else {
            Err(function)
        }
    });
}
