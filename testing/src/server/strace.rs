//! What a process asks of the kernel, as strace wrote it down.

use std::collections::HashMap;

/// Before the program: the tracer is a grandchild, so that the process is its parent's own still.
/// All strings are in hexadecimal digits, and each file and socket is named.
pub fn command(output: &str) -> String {
    format!(
        "strace -D -f -q -y -xx -s 1000000 -o {output} \
         -e trace=pwrite64,write,writev,sendto,sendmsg,read,recvfrom,fsync,fdatasync"
    )
}

/// A system call that came to its end. Places are lines of the trace, which are in the order in
/// which things happened.
#[derive(Debug)]
pub struct SystemCall {
    /// The name of the call.
    pub name: String,
    /// The file or socket.
    pub file: String,
    /// What was written or read.
    pub data: Vec<u8>,
    /// What the call returned.
    pub result: i64,
    /// The line of the trace where it began.
    pub begin: usize,
    /// The line of the trace where it ended.
    pub end: usize,
}

/// All calls that came to their ends.
pub fn parse(trace: &str) -> Vec<SystemCall> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
    for (place, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, (place, begun));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let begun = unfinished.remove(thread);
            if let (Some((begin, begun)), Some((_, rest))) =
                (begun, resumed.split_once(" resumed>"))
            {
                calls.extend(SystemCall::parse(&format!("{begun}{rest}"), begin, place));
            }
        } else {
            calls.extend(SystemCall::parse(rest, place, place));
        }
    }
    calls
}

impl SystemCall {
    /// `None` where it is a signal, or the end of a thread, or only peeks at bytes that are read
    /// later.
    fn parse(text: &str, begin: usize, end: usize) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        if arguments.contains("MSG_PEEK") {
            return None;
        }
        let file = arguments.split_once('<')?.1.split_once('>')?.0;
        // Where all is hexadecimal, quotation marks are those of strings.
        let strings: Vec<u8> = arguments
            .split('"')
            .skip(1)
            .step_by(2)
            .flat_map(bytes)
            .collect();
        Some(Self {
            name: name.to_owned(),
            file: String::from_utf8_lossy(&bytes(file)).into_owned(),
            data: strings,
            result: result.split(' ').next()?.parse().ok()?,
            begin,
            end,
        })
    }

    /// Received by, or sent from, this process; what did not go over the wire is left out.
    pub fn passed(&self) -> &[u8] {
        let count = usize::try_from(self.result).unwrap_or(0);
        &self.data[..count.min(self.data.len())]
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    hexadecimal
        .split("\\x")
        .filter_map(|digits| u8::from_str_radix(digits, 16).ok())
        .collect()
}
