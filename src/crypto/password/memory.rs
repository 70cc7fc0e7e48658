//! The working memory of Argon2.

use argon2::Block;
use zeroize::Zeroize;

/// Allocations above 32 MiB are mapped by glibc and returned to the system when freed; smaller ones
/// may stay with the allocator. Pages that are never touched use no memory.
const MAPPED: usize = (32 << 20) / Block::SIZE + 64;

/// Blocks that several hashes reuse, so that each hash does not allocate them again.
///
/// Between two hashes the blocks contain data of the previous one. They are zeroized when they are
/// freed.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// Returns this many blocks, with arbitrary contents.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.reserve_exact(count.max(MAPPED) - self.0.len());
            self.0.resize(count, Block::default());
        }
        self.0.get_mut(..count).unwrap_or_default()
    }

    /// Zeroizes and frees the blocks if there are more than `count`.
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

    /// Returns the resident memory of this process in KiB.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse().unwrap()
    }

    /// Repeats the check, since the allocator adapts its threshold to earlier allocations.
    #[test]
    fn memory_is_released_with_its_thread() {
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
