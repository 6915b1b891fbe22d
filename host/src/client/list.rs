use serde_json::Value;

use super::{Client, Error, Request};

impl Client {
    /// The whole list that `request` asks for, however many pages it comes in: the first page, with
    /// the entries of all others behind its own under `name`.
    ///
    /// # Errors
    /// As [`Client::send`]; a page that is none.
    pub async fn list(&self, request: &Request, name: &str) -> Result<Value, Error> {
        let mut whole: Value = self.send(request).await?.json()?;
        while let Some(cursor) = whole["next"].as_str() {
            let mut page: Value = self.send(&request.clone().query("cursor", cursor)).await?.json()?;
            let (all, more) = (whole[name].as_array_mut(), page[name].as_array_mut());
            let (Some(all), Some(more)) = (all, more.filter(|more| !more.is_empty())) else {
                return Err(self.unusable(format!("a page of the list has no {name}")));
            };
            all.append(more);
            whole["next"] = page["next"].take();
        }
        Ok(whole)
    }
}
