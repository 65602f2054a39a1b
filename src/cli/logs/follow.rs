//! A file that grows, and that another file takes the place of.
//!
//! Owns noticing that. Whoever reads decides how often to look.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Read from its beginning, to wherever it goes.
pub(super) struct Following {
    path: PathBuf,
    file: File,
    read: u64,
}

impl Following {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, read: 0 })
    }

    /// 0: nothing new.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let mut length = self.file.read(piece)?;
        if length == 0 {
            let successor = self.successor()?;
            // What was written before it was rotated comes first.
            length = self.file.read(piece)?;
            if let (0, Some(successor)) = (length, successor) {
                (self.file, self.read) = (successor, 0);
                length = self.file.read(piece)?;
            }
        }
        self.read += length as u64;
        Ok(length)
    }

    /// The file that stands there now, if it is another one. One that was emptied is begun anew.
    fn successor(&mut self) -> io::Result<Option<File>> {
        let own = self.file.metadata()?;
        if own.len() < self.read {
            self.read = self.file.seek(SeekFrom::Start(0))?;
        }
        // Between the two moments of a rotation there is none.
        let Ok(file) = File::open(&self.path) else { return Ok(None) };
        let there = file.metadata()?;
        Ok(Some(file).filter(|_| (there.dev(), there.ino()) != (own.dev(), own.ino())))
    }
}
