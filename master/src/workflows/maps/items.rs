use std::sync::Arc;

use asl::run::Reading;
use serde_json::Value;

use crate::workflows::WorkflowsTools;

/// Most items of one Map.
const MOST_ITEMS: usize = 1_000_000;

/// All items of a Map Run: read once, given out page by page.
pub(in crate::workflows) type Items = Arc<Vec<Value>>;

/// Reads the items that a Map asks for.
///
/// # Errors
/// For people.
pub(in crate::workflows) async fn read(
    tools: &WorkflowsTools,
    namespace: &str,
    reading: &Reading,
) -> Result<Items, String> {
    let buckets = &tools.buckets;
    let action = reading.resource.rsplit(':').next().unwrap_or_default();
    let items = match action {
        "getObject" => {
            let content = buckets
                .read(&tools.objects, namespace, &reading.arguments)
                .await?;
            let (config, wanted) = (Arc::clone(&reading.config), reading.most);
            let read = move || asl::items::read(&config, &content, wanted, MOST_ITEMS);
            tokio::task::spawn_blocking(read)
                .await
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())?
        }
        "listObjectsV2" => asl::items::listing(buckets.list(&reading.arguments).await?),
        other => {
            return Err(format!(
                "ItemReader {other:?} is not offered here; want s3:getObject or s3:listObjectsV2"
            ));
        }
    };
    Ok(Arc::new(items))
}

/// A page of items, and whether there are more behind it.
pub(in crate::workflows) fn page(items: &[Value], from: u64, count: u64) -> (Vec<Value>, bool) {
    let place = |number: u64| {
        usize::try_from(number)
            .unwrap_or(usize::MAX)
            .min(items.len())
    };
    let (from, to) = (place(from), place(from.saturating_add(count)));
    (items[from..to].to_vec(), to < items.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_parts_of_the_whole() {
        let items: Vec<Value> = (0..5).map(Value::from).collect();
        assert_eq!(page(&items, 0, 3), (items[..3].to_vec(), true));
        assert_eq!(page(&items, 3, 3), (items[3..].to_vec(), false));
        assert_eq!(page(&items, 9, 3), (Vec::new(), false));
        assert_eq!(page(&items, 1, u64::MAX), (items[1..].to_vec(), false));
    }
}
