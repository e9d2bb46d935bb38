//! The methods of the wire contract, parsed once from a request's path.

/// A method of the service `chitty.v1.ChittyChat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Join,
    Publish,
    Leave,
    History,
}

impl Method {
    const ALL: [Self; 4] = [Self::Join, Self::Publish, Self::Leave, Self::History];

    /// The method with this name, as in the path of a request; `None` if there is none.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// The name in paths and in log lines.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "Join",
            Self::Publish => "Publish",
            Self::Leave => "Leave",
            Self::History => "History",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_has_a_name_of_its_own() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
        for name in ["", "join", "Joined", "Join/"] {
            assert_eq!(Method::parse(name), None, "{name:?}");
        }
    }
}
