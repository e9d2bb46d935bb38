//! Compiles the wire contract and the log's record to Rust, with protox: no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use protox::prost::Message as _;

/// The messages that carry a session, or the secret of an invitation.
const WITH_SECRET: [&str; 6] = [
    "JoinRequest",
    "Welcome",
    "PublishRequest",
    "LeaveRequest",
    "HistoryRequest",
    "InviteRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let wire = protox::compile(["chitty/v1/chitty.proto"], ["proto"])?;
    // For gRPC reflection.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("chitty.v1.bin"), wire.encode_to_vec())?;
    tonic_prost_build::configure()
        // The server routes by hand: its streams are bodies of its own.
        .build_server(false)
        // Without the feature, the messages are all that is generated, so that tonic is not needed.
        .build_client(env::var_os("CARGO_FEATURE_GRPC").is_some())
        // These get a redacting Debug by hand.
        .skip_debug(WITH_SECRET.map(|message| format!("chitty.v1.{message}")))
        .emit_rerun_if_changed(false)
        .compile_fds(wire)?;
    // Into a folder of its own, as it would overwrite the contract with an empty file.
    let log_out = out.join("log");
    fs::create_dir_all(&log_out)?;
    let log = protox::compile(["chitty/log/v1/log.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .extern_path(".chitty.v1", "crate::proto::v1")
        .out_dir(log_out)
        .emit_rerun_if_changed(false)
        .compile_fds(log)?;
    Ok(())
}
