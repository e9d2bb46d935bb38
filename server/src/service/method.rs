//! The methods of the wire contract, parsed once from a request's path.

use chitty_chat::proto::v1;

/// A method of the service `chitty.v1.ChittyChat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Join,
    Publish,
    Leave,
    History,
}

/// A method of the service `chitty.v1.Members`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MembersMethod {
    Invite,
    Revoke,
    Change,
    Remove,
    List,
}

/// A method that is answered here, and not by tonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Chat(Method),
    Members(MembersMethod),
}

impl Call {
    /// The call of a path such as `/chitty.v1.ChittyChat/Join`; `None` for a service that is not
    /// answered here, and an error for a method that its service does not have.
    pub(super) fn parse(path: &str) -> Option<Result<Self, UnknownMethod>> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let call = match service {
            v1::SERVICE_NAME => Method::parse(method).map(Self::Chat),
            v1::MEMBERS_SERVICE_NAME => MembersMethod::parse(method).map(Self::Members),
            _ => return None,
        };
        Some(call.ok_or(UnknownMethod))
    }

    /// The name of the method, in paths and in log lines.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Chat(method) => method.as_str(),
            Self::Members(method) => method.as_str(),
        }
    }
}

/// The service has no such method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownMethod;

impl MembersMethod {
    const ALL: [Self; 5] = [
        Self::Invite,
        Self::Revoke,
        Self::Change,
        Self::Remove,
        Self::List,
    ];

    /// The method with this name; `None` if there is none.
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "Invite",
            Self::Revoke => "Revoke",
            Self::Change => "Change",
            Self::Remove => "Remove",
            Self::List => "List",
        }
    }
}

impl Method {
    const ALL: [Self; 4] = [Self::Join, Self::Publish, Self::Leave, Self::History];

    /// The method with this name, as in the path of a request; `None` if there is none.
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    const fn as_str(self) -> &'static str {
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
    fn each_method_has_a_path_of_its_own() {
        let chat = Method::ALL.map(Call::Chat).into_iter();
        let members = MembersMethod::ALL.map(Call::Members).into_iter();
        for (service, call) in chat
            .map(|call| (v1::SERVICE_NAME, call))
            .chain(members.map(|call| (v1::MEMBERS_SERVICE_NAME, call)))
        {
            let path = format!("/{service}/{}", call.as_str());
            assert_eq!(Call::parse(&path), Some(Ok(call)));
        }
        for method in ["", "join", "Joined", "Join/", "Invite", "List"] {
            let path = format!("/{}/{method}", v1::SERVICE_NAME);
            assert_eq!(Call::parse(&path), Some(Err(UnknownMethod)), "{method:?}");
        }
        for path in [
            "",
            "/",
            "/Join",
            "/grpc.health.v1.Health/Check",
            "chitty.v1.ChittyChat/Join",
        ] {
            assert_eq!(Call::parse(path), None, "{path:?}");
        }
    }
}
