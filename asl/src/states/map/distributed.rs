//! What only a distributed Map has.

use serde_json::Value;

use super::amount::Amount;
use crate::data::context::Scope;
use crate::data::payload_template::Template;
use crate::failure::Failure;
use crate::program::fields::Fields;
use crate::states::io::template;

/// How the executions of a distributed Map run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionType {
    /// With a history.
    Standard,
    /// With start and end only.
    Express,
}

/// The fields of a distributed Map.
#[derive(Debug, Clone, PartialEq)]
pub struct Distributed {
    /// `ExecutionType`
    pub execution: ExecutionType,
    /// `Label`, a part of the Map Run's ARN.
    pub label: Option<String>,
    /// `ItemReader`
    pub reader: Option<ItemReader>,
    /// `ItemBatcher`
    pub batcher: Option<ItemBatcher>,
    /// `ResultWriter`
    pub writer: Option<ResultWriter>,
    /// `ToleratedFailureCount`
    pub tolerated_count: Option<Amount>,
    /// `ToleratedFailurePercentage`
    pub tolerated_percentage: Option<Amount>,
}

/// Where items are read from.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemReader {
    /// For example `arn:aws:states:::s3:getObject`.
    pub resource: String,
    /// `Parameters`, or JSONata's `Arguments`.
    pub arguments: Option<Template>,
    /// `ReaderConfig` as it is, without `MaxItems`.
    pub config: Value,
    /// `MaxItems`
    pub max_items: Option<Amount>,
}

/// How items come together.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemBatcher {
    /// `MaxItemsPerBatch`
    pub items: Option<Amount>,
    /// `MaxInputBytesPerBatch`
    pub bytes: Option<Amount>,
    /// `BatchInput`
    pub input: Option<Template>,
}

/// Where results go.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultWriter {
    /// For example `arn:aws:states:::s3:putObject`; none: they stay in the state's result.
    pub resource: Option<String>,
    /// `Parameters`, or JSONata's `Arguments`.
    pub arguments: Option<Template>,
    /// `WriterConfig` as it is.
    pub config: Value,
}

/// The names of these fields.
const FIELDS: [&str; 8] = [
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "Label",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
];

/// Reports the fields of a distributed Map in one that is not.
pub(super) fn refuse(fields: &mut Fields<'_>) {
    for name in FIELDS {
        if fields.get(name).is_some() {
            let message = format!(
                "'{name}' belongs to a distributed Map: the processor lacks \"ProcessorConfig\": {{\"Mode\": \"DISTRIBUTED\"}}"
            );
            fields.wrong(name, message);
        }
    }
}

impl ExecutionType {
    pub(super) fn parse(text: Option<&str>, config: &mut Fields<'_>) -> ExecutionType {
        match text {
            Some("EXPRESS") => ExecutionType::Express,
            Some("STANDARD") => ExecutionType::Standard,
            None => {
                config.required("ExecutionType");
                ExecutionType::Standard
            }
            Some(other) => {
                config.wrong(
                    "ExecutionType",
                    format!("'ExecutionType' must be 'STANDARD' or 'EXPRESS' but is '{other}'"),
                );
                ExecutionType::Standard
            }
        }
    }
}

impl Distributed {
    pub(super) fn parse(fields: &mut Fields<'_>, execution: ExecutionType) -> Distributed {
        let label = fields.text("Label").map(str::to_owned);
        if label
            .as_ref()
            .is_some_and(|label| label.chars().count() > 40 || label.contains(FORBIDDEN))
        {
            fields.wrong(
                "Label",
                "'Label' has at most 40 characters, no blanks and none of ?*<>{}[]:;,\\|^~$#%&`\"",
            );
        }
        Distributed {
            execution,
            label,
            reader: ItemReader::parse(fields),
            batcher: ItemBatcher::parse(fields),
            writer: ResultWriter::parse(fields),
            tolerated_count: Amount::parse(
                fields,
                "ToleratedFailureCount",
                "ToleratedFailureCountPath",
                f64::from(u32::MAX),
            ),
            tolerated_percentage: Amount::parse(
                fields,
                "ToleratedFailurePercentage",
                "ToleratedFailurePercentagePath",
                100.0,
            ),
        }
    }
}

/// Characters that a label may not have.
const FORBIDDEN: [char; 25] = [
    ' ', '?', '*', '<', '>', '{', '}', '[', ']', ':', ';', ',', '\\', '|', '^', '~', '$', '#', '%',
    '&', '`', '"', '/', '\n', '\t',
];

/// Begins to read an object in a field.
fn nested<'f>(fields: &'f mut Fields<'_>, name: &'static str, what: &str) -> Option<Fields<'f>> {
    let value: &'f Value = fields.get(name)?;
    let (place, speaks) = (fields.place.key(name), fields.speaks);
    let within = format!("{}/", fields.location(name));
    Some(Fields::of(what, value, place, fields.problems)?.speaking(speaks, within))
}

fn arguments(fields: &mut Fields<'_>) -> Option<Template> {
    let name = if fields.speaks.jsonata() {
        "Arguments"
    } else {
        "Parameters"
    };
    template(fields, name)
}

const MANY: f64 = 100_000_000.0;

impl ItemReader {
    fn parse(fields: &mut Fields<'_>) -> Option<ItemReader> {
        let mut reader = nested(fields, "ItemReader", "an item reader")?;
        let resource = reader
            .required_text("Resource")
            .unwrap_or_default()
            .to_owned();
        let arguments = arguments(&mut reader);
        let mut config = Value::Object(serde_json::Map::new());
        let mut max_items = None;
        if let Some(value) = reader.get("ReaderConfig") {
            config = value.clone();
            if let Some(mut inner) = nested(&mut reader, "ReaderConfig", "a reader's configuration")
            {
                max_items = Amount::parse(&mut inner, "MaxItems", "MaxItemsPath", MANY);
                check_reader(&mut inner);
                inner.finish();
            }
            if let Some(map) = config.as_object_mut() {
                map.shift_remove("MaxItems");
                map.shift_remove("MaxItemsPath");
            }
        }
        reader.finish();
        Some(ItemReader {
            resource,
            arguments,
            config,
            max_items,
        })
    }
}

fn check_reader(config: &mut Fields<'_>) {
    one_of(
        config,
        "InputType",
        &["CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"],
    );
    one_of(config, "CSVHeaderLocation", &["FIRST_ROW", "GIVEN"]);
    one_of(
        config,
        "CSVDelimiter",
        &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"],
    );
    one_of(config, "ManifestType", &["ATHENA_DATA", "S3_INVENTORY"]);
    one_of(config, "Transformation", &["NONE", "LOAD_AND_FLATTEN"]);
    config.list("CSVHeaders");
    config.text("ItemsPointer");
    if config.has("CSVHeaderLocation")
        && config.text("CSVHeaderLocation") == Some("GIVEN")
        && !config.has("CSVHeaders")
    {
        config.required("CSVHeaders");
    }
}

fn one_of(config: &mut Fields<'_>, name: &'static str, values: &[&str]) {
    if let Some(text) = config.text(name)
        && !values.contains(&text)
    {
        config.wrong(
            name,
            format!(
                "'{name}' must be one of {} but is '{text}'",
                values.join(", ")
            ),
        );
    }
}

impl ItemBatcher {
    fn parse(fields: &mut Fields<'_>) -> Option<ItemBatcher> {
        let mut batcher = nested(fields, "ItemBatcher", "an item batcher")?;
        let found = ItemBatcher {
            items: Amount::parse(
                &mut batcher,
                "MaxItemsPerBatch",
                "MaxItemsPerBatchPath",
                MANY,
            ),
            bytes: Amount::parse(
                &mut batcher,
                "MaxInputBytesPerBatch",
                "MaxInputBytesPerBatchPath",
                262_144.0,
            ),
            input: template(&mut batcher, "BatchInput"),
        };
        if found.items.is_none() && found.bytes.is_none() {
            let message =
                "an item batcher has at least one of MaxItemsPerBatch and MaxInputBytesPerBatch";
            batcher.wrong("MaxItemsPerBatch", message);
        }
        batcher.finish();
        Some(found)
    }
}

impl ResultWriter {
    fn parse(fields: &mut Fields<'_>) -> Option<ResultWriter> {
        let mut writer = nested(fields, "ResultWriter", "a result writer")?;
        let resource = writer.text("Resource").map(str::to_owned);
        let arguments = arguments(&mut writer);
        let mut config = Value::Object(serde_json::Map::new());
        if let Some(value) = writer.get("WriterConfig") {
            config = value.clone();
            if let Some(mut inner) = nested(&mut writer, "WriterConfig", "a writer's configuration")
            {
                one_of(&mut inner, "OutputType", &["JSON", "JSONL"]);
                one_of(
                    &mut inner,
                    "Transformation",
                    &["NONE", "COMPACT", "FLATTEN"],
                );
                inner.finish();
            }
        }
        if resource.is_none() && !writer.has("WriterConfig") {
            writer.required("Resource");
        }
        writer.finish();
        Some(ResultWriter {
            resource,
            arguments,
            config,
        })
    }
}

/// What an execution of the Map may fail by, as numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tolerance {
    pub(crate) count: Option<u64>,
    pub(crate) percentage: Option<f64>,
}

impl Distributed {
    /// How many failures are tolerated.
    pub(crate) fn tolerance(&self, input: &Value, scope: &Scope<'_>) -> Result<Tolerance, Failure> {
        let count = self.tolerated_count.as_ref();
        let percentage = self.tolerated_percentage.as_ref();
        Ok(Tolerance {
            count: count
                .map(|a| a.integer("ToleratedFailureCount", input, scope))
                .transpose()?,
            percentage: percentage
                .map(|a| a.percentage("ToleratedFailurePercentage", input, scope))
                .transpose()?,
        })
    }
}

impl Tolerance {
    /// Whether so many failures of so many items are too many.
    pub(crate) fn is_exceeded(self, failed: u64, total: u64) -> bool {
        let share = if total == 0 {
            0.0
        } else {
            failed as f64 * 100.0 / total as f64
        };
        match (self.count, self.percentage) {
            (None, None) => failed > 0,
            (count, percentage) => {
                count.is_some_and(|most| failed > most)
                    || percentage.is_some_and(|most| share > most)
            }
        }
    }
}
