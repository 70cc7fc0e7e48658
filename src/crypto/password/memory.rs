//! The memory that a hash is computed in.

use argon2::Block;
use zeroize::Zeroize;

/// More than 32 MiB, which glibc maps for itself and gives back to the system when it goes;
/// less may stay with the allocator. What is never touched takes no memory.
const MAPPED: usize = (32 << 20) / Block::SIZE + 64;

/// Blocks that are used again, so that a hash need not ask the system for them.
///
/// Between two hashes what the last left stays there, as it would in memory that is freed. It
/// is wiped when the memory goes.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks, whatever is in them.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.reserve_exact(count.max(MAPPED) - self.0.len());
            self.0.resize(count, Block::default());
        }
        self.0.get_mut(..count).unwrap_or_default()
    }

    /// Gives back what is beyond so many blocks.
    pub(super) fn keep_at_most(&mut self, count: usize) {
        if self.0.len() > count {
            self.wipe();
            self.0 = Vec::new();
        }
    }

    fn wipe(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// What the system has given to this process, in KiB.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse().unwrap()
    }

    /// Also the second time, when the allocator has learnt how much is asked for.
    #[test]
    fn memory_goes_back_with_its_thread() {
        let before = resident();
        for _ in 0..4 {
            let work = || {
                let mut memory = Memory::default();
                assert_eq!(memory.blocks(19_456).len(), 19_456);
                resident()
            };
            let during = std::thread::spawn(work).join().unwrap();
            assert!(during > before + 15 * 1024, "{before} {during}");
            assert!(resident() < before + 10 * 1024, "{before} {}", resident());
        }
    }
}
