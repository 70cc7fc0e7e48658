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
