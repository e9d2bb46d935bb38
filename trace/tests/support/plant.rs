//! Changes of log lines that plant a fault. Each returns false if the logs have no line for it.
#![allow(
    clippy::ptr_arg,
    reason = "each way to plant a fault has the same type"
)]

use super::Logs;

/// Changes the log of one client at a line that has all of these words.
pub(crate) fn client(
    logs: &mut Logs,
    words: &str,
    change: fn(&mut Vec<String>, usize) -> bool,
) -> bool {
    let mut files = logs.iter_mut().filter(|(name, _)| *name != "server.log");
    files.any(|(_, lines)| at(lines, words, change))
}

pub(crate) fn server(
    logs: &mut Logs,
    words: &str,
    change: fn(&mut Vec<String>, usize) -> bool,
) -> bool {
    logs.get_mut("server.log")
        .is_some_and(|lines| at(lines, words, change))
}

/// Prefers a line in the middle, which has lines before and after it to compare with.
pub(crate) fn at(
    lines: &mut Vec<String>,
    words: &str,
    change: fn(&mut Vec<String>, usize) -> bool,
) -> bool {
    let mut words = words.splitn(3, ' ');
    let step = format!(
        "{} {} ",
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default()
    );
    let field = words
        .next()
        .map_or(String::new(), |field| format!(" {field}"));
    let fits = |number: &usize| {
        let line = &lines[*number];
        line.contains(&step)
            && match field.as_str() {
                " once" => is_once(lines, line),
                " inside" => line.contains("kind=message") && is_inside(&lines[number + 1..]),
                field => line.contains(field),
            }
    };
    let found: Vec<_> = (1..lines.len().saturating_sub(2)).filter(fits).collect();
    found
        .get(found.len() / 2)
        .is_some_and(|number| change(lines, *number))
}

pub(crate) fn is_once(lines: &[String], line: &str) -> bool {
    let Some((start, end)) = value(line, "id") else {
        return false;
    };
    let with_it = |words| {
        let fits = |other: &&String| other.contains(words) && other.contains(&line[start..end]);
        lines.iter().filter(fits).count()
    };
    (with_it("Publish sent"), with_it("Publish replied")) == (1, 1)
}

pub(crate) fn is_inside(after: &[String]) -> bool {
    let mut events = after
        .iter()
        .take_while(|line| !line.contains("Server "))
        .filter(|line| line.contains("Broadcast sent"));
    events.nth(1).is_some()
}

pub(crate) fn value(line: &str, key: &str) -> Option<(usize, usize)> {
    let start = line.find(&format!(" {key}="))? + key.len() + 2;
    let rest = &line[start..];
    let length = match rest.strip_prefix('"') {
        Some(quoted) => quoted.find('"')? + 2,
        None => rest.find(' ').unwrap_or(rest.len()),
    };
    Some((start, start + length))
}

pub(crate) fn get(line: &str, key: &str) -> Option<u64> {
    let (start, end) = value(line, key)?;
    line[start..end].parse().ok()
}

pub(crate) fn set(lines: &mut [String], number: usize, key: &str, to: &str) -> bool {
    let Some((start, end)) = value(&lines[number], key) else {
        return false;
    };
    let changed = lines[number][start..end] != *to;
    lines[number].replace_range(start..end, to);
    changed
}

pub(crate) fn add(lines: &mut [String], number: usize, key: &str, delta: i64) -> bool {
    let Some(now) = get(&lines[number], key) else {
        return false;
    };
    let Some(then) = now.checked_add_signed(delta) else {
        return false;
    };
    set(lines, number, key, &then.to_string())
}

pub(crate) fn exchange(lines: &mut Vec<String>, number: usize) -> bool {
    let both = [number, number + 1].map(|number| lines[number].contains("Broadcast received"));
    lines.swap(number, number + 1);
    both == [true, true]
}

pub(crate) fn remove(lines: &mut Vec<String>, number: usize) -> bool {
    lines.remove(number);
    true
}

pub(crate) fn twice(lines: &mut Vec<String>, number: usize) -> bool {
    lines.insert(number + 1, lines[number].clone());
    true
}

/// Exchanges the words of this message's line and the next one's.
pub(crate) fn other_order(lines: &mut Vec<String>, number: usize) -> bool {
    let next = (number + 1..lines.len()).find(|next| lines[*next].contains(" kind=message"));
    let Some(next) = next.filter(|next| lines[*next].contains("Broadcast received")) else {
        return false;
    };
    let middle = |line: &str| {
        let from = line.find(" kind=")?;
        Some((from, line.find(" clock=")?))
    };
    let (Some(this), Some(that)) = (middle(&lines[number]), middle(&lines[next])) else {
        return false;
    };
    let (first, second) = (
        lines[number][this.0..this.1].to_owned(),
        lines[next][that.0..that.1].to_owned(),
    );
    lines[number].replace_range(this.0..this.1, &second);
    lines[next].replace_range(that.0..that.1, &first);
    true
}

pub(crate) fn forge(lines: &mut Vec<String>, number: usize) -> bool {
    set(lines, number, "text", "forged")
        && set(lines, number, "id", "forgedforgedforged")
        && set(lines, number, "author", "mallory")
}

/// Replaces the next message by a copy of this one.
pub(crate) fn same_id(lines: &mut Vec<String>, number: usize) -> bool {
    let Some((start, end)) = value(&lines[number], "id") else {
        return false;
    };
    let id = lines[number][start..end].to_owned();
    let next = (number + 1..lines.len()).find(|next| lines[*next].contains("Broadcast sent"));
    next.is_some_and(|next| set(lines, next, "id", &id))
}

pub(crate) fn exchange_positions(lines: &mut Vec<String>, number: usize) -> bool {
    let next = (number + 1..lines.len()).find(|next| lines[*next].contains("Broadcast sent"));
    next.is_some_and(|next| add(lines, number, "position", 1) && add(lines, next, "position", -1))
}

pub(crate) fn refuse(lines: &mut Vec<String>, number: usize) -> bool {
    lines[number] = lines[number].replace("Publish replied", "Publish refused");
    true
}

pub(crate) fn leave_again(lines: &mut Vec<String>, number: usize) -> bool {
    let last = lines
        .iter()
        .rev()
        .find(|line| line.contains("Broadcast sent"));
    let (Some(position), Some(lamport)) = (
        last.and_then(|line| get(line, "position")),
        last.and_then(|line| get(line, "lamport")),
    ) else {
        return false;
    };
    lines.push(lines[number].clone());
    let end = lines.len() - 1;
    set(lines, end, "position", &(position + 1).to_string())
        && set(lines, end, "lamport", &(lamport + 1).to_string())
}

/// Removes an acknowledged message from all logs but its author's.
pub(crate) fn not_broadcast(logs: &mut Logs) -> bool {
    let acknowledged = |line: &&String| line.contains("Publish replied") && line.contains("clock=");
    let found = logs
        .iter()
        .filter(|(name, _)| *name != "server.log")
        .find_map(|(_, lines)| lines.iter().find(acknowledged));
    let Some((id, (start, end))) = found.and_then(|line| Some((line, value(line, "id")?))) else {
        return false;
    };
    let id = id[start..end].to_owned();
    for lines in logs.values_mut() {
        lines.retain(|line| !(line.contains("Broadcast") && line.contains(&id)));
    }
    true
}
