//! The presentations as the front finds them: films, named by the catalog, indexed by the library, there while enough of
//! their nodes are; and channels, there while something feeds them.

use crate::{
    channel::{Channels, Watching},
    server::{OpenError, Presentations},
    session::Opened,
    shift::Shift,
    watch::ClusterWatch,
};
use catalog::{db::Catalog, library::Library, presentation::Presentation};
use futures_util::{FutureExt, future::BoxFuture};
use std::{sync::Arc, time::Duration};
use stripes::net::Flights;

/// What the catalog said of a name, or why it said nothing.
type Found = Result<Option<Arc<Presentation>>, String>;

/// Opens presentations by name.
pub struct Films {
    catalog: Catalog,
    library: Library,
    watch: ClusterWatch,
    channels: Channels,
    shift: Option<Shift>,
    /// Looks into the catalog, by name: hundreds who come at once for one film share one.
    looks: Flights<String, Found>,
}

impl Films {
    /// Over an open catalog and the units of its cluster, and the front's channels.
    pub fn new(catalog: Catalog, library: Library, watch: ClusterWatch, channels: Channels) -> Self {
        Self { catalog, library, watch, channels, shift: None, looks: Flights::new() }
    }

    /// With what is kept of channels.
    #[must_use]
    pub fn with_shift(self, shift: Shift) -> Self {
        Self { shift: Some(shift), ..self }
    }

    async fn film(&self, name: &str) -> Found {
        let look = || {
            let (catalog, name) = (self.catalog.clone(), name.to_owned());
            async move {
                let found = catalog.presentation(&name).await;
                found.map(|found| found.map(Arc::new)).map_err(|error| error.to_string())
            }
            .boxed()
        };
        self.looks.next(name.to_owned(), look).await
    }

    async fn channel(&self, name: &str, patience: Duration) -> Result<Opened, OpenError> {
        let channel = self.channels.get(name).ok_or(OpenError::NotFound)?;
        let _want = channel.want();
        match tokio::time::timeout(patience, channel.wait_live()).await {
            Ok(Some(live)) => {
                let mut watching = Watching::new(channel, live);
                watching.window = self.shift.as_ref().and_then(|shift| shift.window(name));
                Ok(Opened::Channel(watching))
            }
            Ok(None) | Err(_) => Err(OpenError::Unavailable(format!("{name}: nothing feeds this channel"))),
        }
    }
}

impl Presentations for Films {
    fn open<'a>(&'a self, name: &'a str, patience: Duration) -> BoxFuture<'a, Result<Opened, OpenError>> {
        Box::pin(async move {
            let found = self.film(name).await.map_err(OpenError::Unavailable)?;
            let Some(presentation) = found else { return self.channel(name, patience).await };
            for layout in [&presentation.index, &presentation.media] {
                if let Some(reason) = self.watch.unreadable(layout) {
                    return Err(OpenError::Unavailable(format!("{name}: {reason}")));
                }
            }
            let index = self.library.open(&presentation).await;
            index.map(Opened::Film).map_err(|error| OpenError::Unavailable(error.to_string()))
        })
    }
}
