//! The queue's file: found, locked, kept private, and set aside when it is not ours to read.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::QueueError;
use super::schema::{SCHEMA, SCHEMA_VERSION};
use super::store::Store;
use crate::clock::Clock;

/// How long SQLite waits for somebody else's lock, such as a person's `sqlite3` shell or a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What was found in the file.
enum Found {
    Ours(SqliteConnection),
    /// Why it is none of ours, as part of the name it is kept under.
    Foreign(String),
}

/// Opens the file under its lock; the lock must live as long as the store.
pub(super) async fn open(path: &Path, clock: Clock) -> Result<(Store, File), QueueError> {
    local(path)?;
    let lock = lock(path)?;
    let why = match begin(path, clock.clone()).await? {
        Ok(store) => return Ok((store, lock)),
        Err(why) => why,
    };
    let kept = set_aside(path, &why)?;
    tracing::warn!(kept = %kept.display(), "the queue's file is {why} and is kept aside; the sweep finds what was waiting");
    match begin(path, clock).await? {
        Ok(store) => Ok((store, lock)),
        Err(why) => Err(QueueError::Store(format!("a fresh file reads as {why}"))),
    }
}

/// A store on the file, or why the file is none of ours.
async fn begin(path: &Path, clock: Clock) -> Result<Result<Store, String>, QueueError> {
    let connection = match look(path).await? {
        Found::Ours(connection) => connection,
        Found::Foreign(why) => return Ok(Err(why)),
    };
    let mut store = Store::new(connection, clock);
    match store.recover().await {
        Ok(()) => Ok(Ok(store)),
        Err(QueueError::Damaged(error)) => {
            tracing::error!(error, "the queue's file is damaged");
            // Before the file is renamed: a connection that closes later would delete the log of its successor.
            let _damaged_anyway = store.close().await;
            Ok(Err("damaged".to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// A store that is gone with the process.
pub(super) async fn in_memory(clock: Clock) -> Result<Store, QueueError> {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.map_err(trouble)?;
    create(&mut connection).await?;
    let mut store = Store::new(connection, clock);
    store.recover().await?;
    Ok(store)
}

/// File systems that several machines share, as the kernel names them. WAL needs memory that all users of the file share, and
/// locks there are promises of a server. What runs in userland is listed by name: most of it is local.
const SHARED: [&str; 14] = [
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.ceph-fuse",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
];

/// Refuses a folder that other machines share. Where the kernel keeps no such list (macOS), nothing is known and nothing refused.
fn local(path: &Path) -> Result<(), QueueError> {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(folder) = folder.canonicalize() else { return Ok(()) };
    match shared(&mounts, &folder) {
        Some(kind) => Err(QueueError::Network(path.display().to_string(), kind)),
        None => Ok(()),
    }
}

/// The kind of the file system `folder` is on, when machines share it: of the longest mount point above it, the last mounted.
fn shared(mounts: &str, folder: &Path) -> Option<String> {
    let mount = |line: &str| -> Option<(PathBuf, String)> {
        // `36 35 98:0 /root /point options … - type source options`; a blank in a name is `\040`.
        let (head, tail) = line.split_once(" - ")?;
        let point = head.split(' ').nth(4)?.replace("\\040", " ").replace("\\134", "\\");
        Some((point.into(), tail.split(' ').next()?.to_owned()))
    };
    let above = mounts.lines().filter_map(mount).filter(|(point, _)| folder.starts_with(point));
    let (_, kind) = above.max_by_key(|(point, _)| point.components().count())?;
    SHARED.contains(&kind.as_str()).then_some(kind)
}

/// Takes the lock of the operating system, which a killed process cannot keep.
///
/// It stands on a file of its own: SQLite locks ranges of the database, and closing any handle on that would free them.
fn lock(path: &Path) -> Result<File, QueueError> {
    let name = beside(path, ".lock");
    let file = private(&name).map_err(|error| QueueError::Store(format!("`{}`: {error}", name.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(QueueError::Locked(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(QueueError::Store(format!("`{}`: {error}", name.display()))),
    }
}

/// Opens or creates a file that only its owner may read: it tells which private repositories exist.
fn private(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

async fn look(path: &Path) -> Result<Found, QueueError> {
    // SQLite gives its log the permissions of the file, so the file comes first.
    private(path).map_err(|error| QueueError::Store(format!("`{}`: {error}", path.display())))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        // Acknowledged means on the disk: NORMAL loses the last commits with the power.
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "67108864")
        .pragma("trusted_schema", "OFF");
    let mut connection = match options.connect().await {
        Ok(connection) => connection,
        Err(error) if is_no_database(&error) => return Ok(Found::Foreign("unreadable".to_owned())),
        Err(error) => return Err(trouble(error)),
    };
    let found = async {
        let version: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await?.try_get(0)?;
        let tables: i64 =
            sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?.try_get(0)?;
        Ok((version, tables))
    };
    match found.await {
        Ok((SCHEMA_VERSION, _)) => Ok(Found::Ours(connection)),
        Ok((0, 0)) => {
            create(&mut connection).await?;
            Ok(Found::Ours(connection))
        }
        Ok((version, _)) => {
            connection.close().await.map_err(trouble)?;
            Ok(Found::Foreign(format!("version-{version}")))
        }
        Err(error) if is_no_database(&error) => {
            // Closed before the file is renamed.
            let _unreadable_anyway = connection.close().await;
            Ok(Found::Foreign("unreadable".to_owned()))
        }
        Err(error) => Err(trouble(error)),
    }
}

async fn create(connection: &mut SqliteConnection) -> Result<(), QueueError> {
    sqlx::raw_sql(SCHEMA).execute(connection).await.map_err(trouble)?;
    Ok(())
}

/// Renames the file and its log; a second one of the same kind replaces the first, so that they cannot pile up.
fn set_aside(path: &Path, why: &str) -> Result<PathBuf, QueueError> {
    let kept = beside(path, &format!(".{why}"));
    for end in ["", "-wal", "-shm"] {
        let (from, to) = (beside(path, end), beside(&kept, end));
        match std::fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // An older log must not be taken for the log of the file that now stands beside it.
                let _there_was_none = std::fs::remove_file(&to);
            }
            Err(error) => return Err(QueueError::Store(format!("`{}`: {error}", from.display()))),
        }
    }
    Ok(kept)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// SQLITE_CORRUPT (11) and SQLITE_NOTADB (26), extended codes included.
fn is_no_database(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// The store's trouble, in words; SQL types stay in here.
pub(super) fn trouble(error: sqlx::Error) -> QueueError {
    let text = error.to_string();
    if is_no_database(&error) { QueueError::Damaged(text) } else { QueueError::Store(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t48_a_folder_that_machines_share_is_refused() {
        let mounts = "22 1 259:1 / / rw,relatime - ext4 /dev/root rw\n\
                      40 22 0:35 / /data rw shared:1 - nfs4 10.0.0.1:/volume rw\n\
                      41 40 259:2 / /data/disk rw - xfs /dev/nvme1n1 rw\n\
                      42 22 0:36 / /mnt/my\\040share rw - cifs //server/share rw\n\
                      43 22 0:37 / /over rw - nfs 10.0.0.1:/old rw\n\
                      44 22 0:38 / /over rw - tmpfs tmpfs rw\n\
                      a line of another kernel\n";
        for (folder, found) in [
            ("/data", Some("nfs4")),
            ("/data/trunkline", Some("nfs4")),
            ("/data/disk/trunkline", None),
            ("/database", None),
            ("/mnt/my share/queue", Some("cifs")),
            ("/over/queue", None),
            ("/var/lib/trunkline", None),
        ] {
            assert_eq!(shared(mounts, Path::new(folder)).as_deref(), found, "{folder}");
        }
        assert_eq!(shared("", Path::new("/data")), None);
        let error = QueueError::Network("/data/queue.db".into(), "nfs4".into());
        insta::assert_snapshot!(error, @"`/data/queue.db` is on a network file system (nfs4), where a queue can be damaged; put the data folder on a local disk");
    }
}
