//! What is printed.

use std::{fmt, fs};

use super::{Contender, client::Round};

/// All rounds of all contenders; the first is what the others are compared with.
pub(crate) struct Table {
    machine: String,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    rounds: Vec<Round>,
}

impl Table {
    pub(crate) fn new(contenders: &[Contender], [workers, clients]: [usize; 2], bytes: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let machine = format!(
            "{}, {cores} cores: {workers} for the servers, {clients} for the client; answers of {bytes} \
             bytes; load before: {}",
            model(),
            load()
        );
        let rows = contenders.iter().map(|contender| Row { name: contender.name, rounds: Vec::new() });
        Self { machine, rows: rows.collect() }
    }

    pub(crate) fn add(&mut self, row: usize, round: Round) {
        self.rows[row].rounds.push(round);
    }
}

impl Row {
    /// The round that the rest of the machine disturbed least.
    fn best(&self) -> Option<&Round> {
        self.rounds.iter().max_by(|a, b| a.per_second.total_cmp(&b.per_second))
    }
}

impl fmt::Display for Table {
    /// The best round of each, and two ratios to the first row: of the best rounds, and the median
    /// of the rounds that ran side by side.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(f, "| | requests/s | p50 us | p99 us | server CPU us | of bare | of bare, median |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|")?;
        let Some(first) = self.rows.first() else { return Ok(()) };
        for row in &self.rows {
            let (Some(best), Some(bare)) = (row.best(), first.best()) else { continue };
            let quantile = |q| best.latency.value_at_quantile(q) as f64 / 1000.0;
            let side_by_side = row.rounds.iter().zip(&first.rounds);
            let ratios = side_by_side.map(|(round, bare)| round.per_second / bare.per_second);
            writeln!(
                f,
                "| {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.2} | {:.2} |",
                row.name,
                best.per_second,
                quantile(0.5),
                quantile(0.99),
                best.cpu_us,
                best.per_second / bare.per_second,
                median(ratios.collect()),
            )?;
        }
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What this process has used of its processors, all threads together.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name, in parentheses, may hold spaces; user and system time are the 12th and
    // 13th fields behind it (proc_pid_stat(5)).
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: f64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}

fn model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    named.map_or("unknown processor", |(_, name)| name).to_owned()
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or("?").to_owned()
}
