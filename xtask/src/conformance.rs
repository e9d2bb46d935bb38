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

/// How the Python client reaches the server.
#[derive(Clone, Copy)]
enum Way {
    Plain,
    /// By TLS, as a device.
    Tls,
    /// Over the Unix socket in the data folder.
    Socket,
}

/// Starts the server on a free port with an empty chat, and runs the Python client against it, once
/// over each way.
pub(crate) fn run() -> Result<(), Failed> {
    let target = target();
    let python = venv("conformance", Path::new(REQUIREMENTS))?;
    let stubs = stubs(&target, &python)?;
    let programs = programs()?;
    let folder = target.join("conformance");
    for way in [Way::Plain, Way::Tls, Way::Socket] {
        let mut server = Server::start(&programs, &folder)?;
        let address = server.address()?;
        let client = Step::new(&python).arg(SCRIPT);
        let client = match way {
            Way::Plain => client.arg(address),
            Way::Socket => client.arg(format!(
                "unix:{}",
                data(&folder).join("chat.sock").display()
            )),
            Way::Tls => {
                let certificate = certificate(&programs, &folder)?;
                let (device, key) = device(&folder)?;
                client.arg(address).arg(certificate).arg(device).arg(key)
            }
        };
        client.env("PYTHONPATH", &stubs).run()?;
    }
    Ok(())
}

/// The folder of the chat.
fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Writes the server's certificate to a file, as its owner does.
fn certificate(programs: &Path, folder: &Path) -> Result<PathBuf, Failed> {
    let printed = Command::new(programs.join("chitty-server"))
        .args(["key", "--pem", "--data"])
        .arg(data(folder))
        .output()
        .map_err(Failed::new)?;
    let file = folder.join("server.pem");
    fs::write(&file, printed.stdout).map_err(Failed::new)?;
    Ok(file)
}

/// Makes the key of a device, with its certificate, by a program that knows nothing of this one.
fn device(folder: &Path) -> Result<(PathBuf, PathBuf), Failed> {
    let (certificate, key) = (folder.join("device.pem"), folder.join("device.key"));
    Step::new("openssl")
        .args(&["req", "-x509", "-newkey", "ec"])
        .args(&["-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(&["-subj", "/CN=device", "-out"])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .run()?;
    Ok((certificate, key))
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
    /// A server with an empty chat in this folder.
    fn start(programs: &Path, folder: &Path) -> Result<Self, Failed> {
        let program = programs.join("chitty-server");
        let data = data(folder);
        if data.exists() {
            fs::remove_dir_all(&data).map_err(Failed::new)?;
        }
        Command::new(&program)
            .args(["--listen", "127.0.0.1:0", "--grace", "2"])
            .args(["--publish-rate", "off", "--data"])
            .arg(data)
            .arg("--log-dir")
            .arg(folder.join("logs"))
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
