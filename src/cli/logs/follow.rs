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
    /// Whether what was read last is the beginning of another file, or of this one emptied.
    begins: bool,
}

impl Following {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, read: 0, begins: false })
    }

    /// Said once: a line whose end has not come has none.
    pub(super) fn has_begun_anew(&mut self) -> bool {
        std::mem::take(&mut self.begins)
    }

    /// 0: nothing new.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let mut length = self.file.read(piece)?;
        if length == 0 {
            let successor = self.successor()?;
            // What was written before it was rotated comes first.
            length = self.file.read(piece)?;
            if let (0, Some(successor)) = (length, successor) {
                (self.file, self.read, self.begins) = (successor, 0, true);
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
            self.begins = true;
        }
        // Between the two moments of a rotation there is none.
        let Ok(there) = std::fs::metadata(&self.path) else { return Ok(None) };
        // A pipe in its place would be waited for.
        if !there.is_file() || (there.dev(), there.ino()) == (own.dev(), own.ino()) {
            return Ok(None);
        }
        Ok(File::open(&self.path).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 25: what comes after a rotation is no end of what was before
    #[test]
    fn another_file_in_its_place_is_noticed() {
        let folder = std::env::temp_dir().join(format!("faregate-follow-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("log");
        let read = |file: &mut Following| {
            let mut piece = [0; 100];
            let length = file.read(&mut piece).unwrap();
            (String::from_utf8(piece[..length].to_vec()).unwrap(), file.has_begun_anew())
        };
        std::fs::write(&path, "half a li").unwrap();
        let mut file = Following::open(&path).unwrap();
        assert_eq!(read(&mut file), ("half a li".to_owned(), false));
        assert_eq!(read(&mut file), (String::new(), false));
        std::fs::rename(&path, folder.join("log.1")).unwrap();
        assert_eq!(read(&mut file), (String::new(), false), "nothing is there for a moment");
        std::fs::write(&path, "another\n").unwrap();
        assert_eq!(read(&mut file), ("another\n".to_owned(), true));
        std::fs::write(&path, "less\n").unwrap();
        assert_eq!(read(&mut file), ("less\n".to_owned(), true), "emptied and written anew");
        assert_eq!(read(&mut file), (String::new(), false));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
