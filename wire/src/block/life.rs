//! The beat of a partition's writer.

use crate::cursor::{Damaged, Reader};
use crate::order::codec;

/// What a server's configuration says of its log's durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Durability {
    /// Not read yet, or no monitoring port: unproven.
    Unproven = 0,
    /// Acknowledged means synced to disk.
    SyncAlways = 1,
    /// The server syncs later than it acknowledges.
    NotDurable = 2,
}

/// A partition's beat on `life.<p>`, once a second from its writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Partition.
    pub partition: u16,
    /// The writer's term.
    pub writer_epoch: u64,
    /// Last stored block that the writer knows.
    pub last_sequence: u64,
    /// What acknowledged means.
    pub durability: Durability,
}

impl Life {
    /// Bytes: version, partition (2), writer epoch (8), last sequence (8), durability, little-endian.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![codec::ORDER_VERSION];
        out.extend(self.partition.to_le_bytes());
        out.extend(self.writer_epoch.to_le_bytes());
        out.extend(self.last_sequence.to_le_bytes());
        out.push(self.durability as u8);
        out
    }

    /// Reads them; later versions may append.
    ///
    /// # Errors
    /// [`Damaged`] when it is no beat of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let reader = &mut Reader::new(bytes);
        if reader.u8()? != codec::ORDER_VERSION {
            return Err(Damaged);
        }
        Ok(Self {
            partition: u16::try_from(reader.little(2)?).map_err(|_| Damaged)?,
            writer_epoch: reader.little(8)?,
            last_sequence: reader.little(8)?,
            durability: match reader.u8()? {
                1 => Durability::SyncAlways,
                2 => Durability::NotDurable,
                _ => Durability::Unproven,
            },
        })
    }
}
