//! A second implementation of the protocol, against the real server.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::run::{Failed, Step, programs, target};

const SCRIPT: &str = "server/tests/conformance/client.py";
const REQUIREMENTS: &str = "server/tests/conformance/requirements.txt";

/// Starts the server on a free port with an empty chat, and runs the Python client against it.
pub(crate) fn run() -> Result<(), Failed> {
    let target = target();
    let python = venv("conformance", Path::new(REQUIREMENTS))?;
    let stubs = stubs(&target, &python)?;
    let mut server = Server::start(&programs()?, &target)?;
    let address = server.address()?;
    Step::new(python)
        .arg(SCRIPT)
        .arg(address)
        .env("PYTHONPATH", stubs)
        .run()
}

/// A Python environment with the required packages, made once for each state of the requirements.
pub(crate) fn venv(name: &str, requirements: &Path) -> Result<PathBuf, Failed> {
    let venv = target().join(name).join("venv");
    let python = venv.join("bin/python");
    let installed = venv.join("requirements.txt");
    let wanted = fs::read(requirements).map_err(Failed::new)?;
    if fs::read(&installed).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    Step::new("python3")
        .args(&["-m", "venv", "--clear"])
        .arg(&venv)
        .run()?;
    Step::new(&python)
        .args(&["-m", "pip", "install", "--quiet", "-r"])
        .arg(requirements)
        .run()?;
    fs::write(installed, wanted).map_err(Failed::new)?;
    Ok(python)
}

fn stubs(target: &Path, python: &Path) -> Result<PathBuf, Failed> {
    let out = target.join("conformance/stubs");
    fs::create_dir_all(&out).map_err(Failed::new)?;
    Step::new(python)
        .args(&["-m", "grpc_tools.protoc", "-Iproto"])
        .arg(format!("--python_out={}", out.display()))
        .arg(format!("--grpc_python_out={}", out.display()))
        .arg("proto/chitty/v1/chitty.proto")
        .run()?;
    Ok(out)
}

/// A server that ends when this is dropped.
struct Server(Child);

impl Server {
    fn start(programs: &Path, target: &Path) -> Result<Self, Failed> {
        let program = programs.join("chitty-server");
        let logs = target.join("conformance/logs");
        let args = [
            "--ephemeral",
            "--listen",
            "127.0.0.1:0",
            "--grace",
            "2",
            "--publish-rate",
            "off",
            "--log-dir",
        ];
        Command::new(&program)
            .args(args)
            .arg(logs)
            .stdout(Stdio::piped())
            .spawn()
            .map(Self)
            .map_err(|error| Failed::new(format_args!("{}: {error}", program.display())))
    }

    /// The address, from the server's first line: "chitty-server listens on ADDRESS".
    fn address(&mut self) -> Result<String, Failed> {
        let mut line = String::new();
        if let Some(output) = &mut self.0.stdout {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(Failed::new)?;
        }
        let address = line
            .trim()
            .rsplit(' ')
            .next()
            .filter(|address| address.contains(':'));
        address
            .map(str::to_owned)
            .ok_or_else(|| Failed::new("the server did not start"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
