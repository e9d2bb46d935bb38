//! The service `chitty.v1.Members`: who belongs to the chat.
//!
//! A caller need not have joined: the connection says who it is.

use std::{
    collections::HashSet,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use chitty_chat::{
    MemberNumber, ParticipantName, Role, SessionHash,
    logging::CALL,
    proto::v1::{
        self, ChangeReply, ChangeRequest, InviteReply, InviteRequest, ListReply, ListRequest,
        ListedInvitation, ListedMember, RemoveReply, RemoveRequest, RevokeReply, RevokeRequest,
        change_request, listed_member::Device,
    },
};
use tonic::Status;
use tower::BoxError;
use tracing::info;

use super::{
    Answer, RefusedCall, ServiceState, identity_of, method::MembersMethod, read, refused, respond,
    status, wire::UnreadRequest,
};
use crate::{grpc, line_limit::Cause, sequencer::RequestError};
use chitty_room::{
    Change, Identity, Invite, MemberChange, Receipt, Remove, Revoke, Standing, record::SecretHash,
};

/// How long an invitation lasts if the request does not say.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one for a device does.
const DEVICE_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Characters of a name in a request at most; a valid name is far shorter.
const MAX_NAME: usize = 512;

impl ServiceState {
    pub(super) async fn members(
        &self,
        method: MembersMethod,
        request: UnreadRequest<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
        source: Option<IpAddr>,
    ) -> Result<http::Response<Answer>, RefusedCall> {
        match method {
            MembersMethod::Invite => {
                let (request, peer): (InviteRequest, _) = read(request).await?;
                let lamport = request.lamport;
                let invite = parse_invite(&request, identity_of(peer.as_ref()));
                let invite = invite.map_err(|status| refused(lamport, status))?;
                let granted = self.chats.lobby().invite(invite).await;
                let granted = granted.map_err(|error| refusal(lamport, &error))?;
                Ok(respond(grpc::frame_message(&InviteReply {
                    number: granted.number.get(),
                    until: Some(granted.until.into()),
                    lamport: granted.receipt.lamport.get(),
                    position: granted.receipt.position.get(),
                })))
            }
            MembersMethod::Revoke => {
                let (request, peer): (RevokeRequest, _) = read(request).await?;
                let lamport = request.lamport;
                let revoke = Revoke {
                    identity: identity_of(peer.as_ref()),
                    number: (request.number != 0).then(|| request.number.into()),
                    lamport: lamport.into(),
                };
                let granted = self.chats.lobby().revoke(revoke).await;
                let granted = granted.map_err(|error| refusal(lamport, &error))?;
                let receipt = granted.receipt;
                let numbers = granted.numbers.iter();
                Ok(respond(grpc::frame_message(&RevokeReply {
                    numbers: numbers.map(|number| number.get()).collect(),
                    lamport: receipt.map_or(0, |receipt| receipt.lamport.get()),
                    position: receipt.map_or(0, |receipt| receipt.position.get()),
                })))
            }
            MembersMethod::Change => {
                let (request, peer): (ChangeRequest, _) = read(request).await?;
                let lamport = request.lamport;
                let change = parse_change(request, identity_of(peer.as_ref()));
                let change = change.map_err(|status| refused(lamport, status))?;
                let receipt = self.chats.lobby().change(change).await;
                let Receipt { position, lamport } =
                    receipt.map_err(|error| refusal(lamport, &error))?;
                Ok(respond(grpc::frame_message(&ChangeReply {
                    position: position.get(),
                    lamport: lamport.get(),
                })))
            }
            MembersMethod::Remove => {
                let (request, peer): (RemoveRequest, _) = read(request).await?;
                let lamport = request.lamport;
                let remove = Remove {
                    identity: identity_of(peer.as_ref()),
                    member: known_name(request.member).map_err(|s| refused(lamport, s))?,
                    lamport: lamport.into(),
                };
                let receipt = self.chats.lobby().remove(remove).await;
                let Receipt { position, lamport } =
                    receipt.map_err(|error| refusal(lamport, &error))?;
                Ok(respond(grpc::frame_message(&RemoveReply {
                    position: position.get(),
                    lamport: lamport.get(),
                })))
            }
            MembersMethod::List => {
                let (_, peer): (ListRequest, _) = read(request).await?;
                self.list(identity_of(peer.as_ref()), source).await
            }
        }
    }

    async fn list(
        &self,
        identity: Identity,
        source: Option<IpAddr>,
    ) -> Result<http::Response<Answer>, RefusedCall> {
        let view = self.chats.lobby().view();
        let standing = view.room().standing(identity);
        let standing = standing.map_err(|no| refused(0, status::refusal(&no.into())))?;
        if self.lines.admits(Cause::Stranger(source)) {
            info!(target: CALL, call = "List", step = "received");
        }
        // A list may be as large as a page of history, and counts against the same budget.
        let permit = self.replies.permit(caller(identity), source).await;
        let permit = permit.map_err(|status| refused(0, status))?;
        let wall = self.chats.lobby().decision_time().wall;
        let reply = list(view.room(), standing, wall);
        Ok(respond(permit.hold(grpc::frame_message(&reply))))
    }
}

/// By whom a list is paid for: nobody has a session here.
fn caller(identity: Identity) -> SessionHash {
    let mut bytes = [0; 16];
    match identity {
        Identity::Key(key) => bytes.copy_from_slice(&key.as_bytes()[..16]),
        Identity::User(_) | Identity::None => {}
    }
    SessionHash::from_bytes(&bytes).unwrap_or_else(|| unreachable!("these are 16 bytes"))
}

fn list(room: &chitty_room::Room, standing: Standing<'_>, wall: SystemTime) -> ListReply {
    let (own, sees_all) = match standing {
        Standing::Operator => (None, true),
        Standing::Member(member) => (Some(member.number), member.role == Role::Admin),
    };
    let fold = room.fold();
    // Collected once: for each member, a walk along all participants would take seconds in a full
    // chat.
    let present: HashSet<_> = fold
        .participants()
        .filter_map(|participant| participant.member)
        .collect();
    let members = fold.members().iter().map(|member| {
        let lists_devices = sees_all || own == Some(member.number);
        ListedMember {
            number: member.number.get(),
            name: member.name.to_string(),
            role: v1::member::Role::from(member.role).into(),
            devices: member
                .devices
                .iter()
                .filter(|_| lists_devices)
                .map(|device| Device {
                    fingerprint: device.key.as_bytes().to_vec(),
                    label: device.label.to_string(),
                    invitation: device.invitation.get(),
                })
                .collect(),
            keys: u32::try_from(member.devices.len()).unwrap_or(u32::MAX),
            present: present.contains(&member.number),
        }
    });
    let invitations = room
        .usable_invitations(wall)
        .filter(|open| sees_all || (own.is_some() && open.event.by == own))
        .map(|open| ListedInvitation {
            invitation: Some((&open.event).into()),
            name: open.private.name.to_string(),
            used: open.used,
        });
    ListReply {
        members: members.collect(),
        invitations: invitations.collect(),
    }
}

fn refusal(lamport: u64, error: &RequestError) -> RefusedCall {
    refused(lamport, status::refused(error))
}

fn parse_invite(request: &InviteRequest, identity: Identity) -> Result<Invite, Status> {
    let secret = Some(&request.secret_sha256)
        .filter(|hash| hash.len() == 32)
        .and_then(|hash| SecretHash::from_prefix(hash))
        .ok_or_else(|| {
            let reason = "give the SHA-256 of the secret, which is 32 bytes";
            status::bad_field("secret_sha256", reason)
        })?;
    let is_for_device = !request.member.is_empty();
    let lifetime = match request.seconds {
        0 if is_for_device => DEVICE_LIFETIME,
        0 => LIFETIME,
        seconds => Duration::from_secs(seconds),
    };
    let name = match request.name.as_str() {
        "" => None,
        name => Some(parse_name("name", name)?),
    };
    Ok(Invite {
        identity,
        secret,
        role: request.role().into(),
        uses: if request.uses == 0 { 1 } else { request.uses },
        lifetime,
        name,
        member: is_for_device
            .then(|| known_name(request.member.clone()))
            .transpose()?,
        only: request.only,
        lamport: request.lamport.into(),
    })
}

fn parse_change(request: ChangeRequest, identity: Identity) -> Result<Change, Status> {
    use change_request::Change as Wire;
    let change = match request.change {
        Some(Wire::Name(name)) => MemberChange::Name(parse_name("name", &name)?),
        Some(Wire::Role(role)) => match v1::member::Role::try_from(role) {
            Ok(v1::member::Role::Member) => MemberChange::Role(Role::Member),
            Ok(v1::member::Role::Admin) => MemberChange::Role(Role::Admin),
            Ok(v1::member::Role::Unspecified) | Err(_) => {
                return Err(status::bad_field("role", "give MEMBER or ADMIN"));
            }
        },
        Some(Wire::DropDevice(device)) => MemberChange::DropDevice(known_name(device)?),
        Some(Wire::FreeName(true)) => MemberChange::FreeName,
        Some(Wire::FreeName(false)) | None => {
            return Err(status::bad_field("change", "say what changes"));
        }
    };
    Ok(Change {
        identity,
        member: known_name(request.member)?,
        change,
        lamport: request.lamport.into(),
    })
}

fn parse_name(field: &str, name: &str) -> Result<ParticipantName, Status> {
    ParticipantName::parse(name).map_err(|error| status::bad_field(field, error))
}

/// A name that is looked up and not stored, so that it need not be valid.
fn known_name(name: String) -> Result<String, Status> {
    if name.len() > MAX_NAME {
        return Err(status::bad_field("member", "this is longer than any name"));
    }
    Ok(name)
}

/// The number of a member and its role, as a Welcome has them.
pub(super) fn member_and_role(member: Option<(MemberNumber, Role)>) -> (u64, i32) {
    member.map_or((0, 0), |(number, role)| {
        (number.get(), v1::member::Role::from(role).into())
    })
}
