//! The layer itself: SQLite's default file system with five methods of a file replaced, which ask
//! the disk of the file's folder first.
//!
//! A file stays SQLite's own object. Only its table of methods is another one, so locks, shared
//! memory and sizes work as without this layer.
#![expect(unsafe_code, reason = "SQLite calls a file system through C functions")]

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use libsqlite3_sys::{
    SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DELETE, SQLITE_IOERR_FSYNC,
    SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE, SQLITE_OK, sqlite3_file, sqlite3_filename, sqlite3_int64,
    sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find, sqlite3_vfs_register,
};

use crate::folders;
use crate::shared_disk::{Operation, SharedDisk, Verdict};

const NAME: &CStr = c"msg2agent-faults";

/// SQLite's own file system.
static OWN: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());
/// Open files below a disk, by their address.
static FILES: Mutex<Option<HashMap<usize, OpenFile>>> = Mutex::new(None);

#[derive(Clone)]
struct OpenFile {
    disk: Arc<SharedDisk>,
    path: Arc<PathBuf>,
    own: &'static sqlite3_io_methods,
}

/// Makes the layer the file system of all connections that are opened from now on.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: SQLite never frees its own file system. The copy of its description is leaked, so
        // it lives as long as SQLite may use it.
        unsafe {
            let own = sqlite3_vfs_find(std::ptr::null());
            OWN.store(own, Ordering::Release);
            let layer = sqlite3_vfs {
                zName: NAME.as_ptr(),
                pNext: std::ptr::null_mut(),
                xOpen: Some(open),
                xDelete: Some(delete),
                ..*own
            };
            assert_eq!(sqlite3_vfs_register(Box::leak(Box::new(layer)), 1), SQLITE_OK);
        }
    });
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes a name that ends with a zero, or none.
    let found = unsafe { path(name) }.and_then(|path| Some((folders::disk_of(&path)?, path)));
    if let Some((disk, path)) = &found
        && disk.begin(Operation::Open, path) != Verdict::Succeeds
    {
        // SAFETY: `file` has room for a file; without methods it counts as not open.
        unsafe { (*file).pMethods = std::ptr::null() };
        return SQLITE_CANTOPEN;
    }
    // SAFETY: SQLite's own file system exists as long as the program; the arguments are SQLite's.
    unsafe {
        let own = OWN.load(Ordering::Acquire);
        let Some(open_own) = (*own).xOpen else { return SQLITE_CANTOPEN };
        let code = open_own(own, name, file, flags, flags_out);
        if let (SQLITE_OK, Some((disk, path)), Some(own)) = (code, found, (*file).pMethods.as_ref()) {
            disk.opened(&path);
            let methods = sqlite3_io_methods {
                xClose: Some(close),
                xRead: Some(read),
                xWrite: Some(write),
                xTruncate: Some(truncate),
                xSync: Some(sync),
                ..*own
            };
            // A few hundred bytes for each file that a test opens.
            (*file).pMethods = Box::leak(Box::new(methods));
            let open = OpenFile { disk, path: Arc::new(path), own };
            files().get_or_insert_default().insert(file.addr(), open);
        }
        code
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite passes a name that ends with a zero.
    let found = unsafe { path(name) }.and_then(|path| Some((folders::disk_of(&path)?, path)));
    if let Some((disk, path)) = &found
        && disk.begin(Operation::Delete, path) != Verdict::Succeeds
    {
        return SQLITE_IOERR_DELETE;
    }
    // SAFETY: as in `open`.
    let code = unsafe {
        let own = OWN.load(Ordering::Acquire);
        (*own).xDelete.map_or(SQLITE_IOERR_DELETE, |delete_own| delete_own(own, name, sync_folder))
    };
    if let (SQLITE_OK, Some((disk, path))) = (code, found) {
        disk.deleted(&path);
    }
    code
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let open = files().as_mut().and_then(|files| files.remove(&file.addr()));
    let close_own = open.and_then(|open| open.own.xClose);
    // SAFETY: the file was opened by SQLite's own file system, and is closed once.
    close_own.map_or(SQLITE_OK, |close_own| unsafe { close_own(file) })
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    to: *mut c_void,
    count: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SQLite reports EIO of a read as damage of the file system.
    let Some(open) = opened(file) else { return SQLITE_IOERR_CORRUPTFS };
    match (open.disk.begin(Operation::Read, &open.path), open.own.xRead) {
        // SAFETY: the arguments are SQLite's.
        (Verdict::Succeeds, Some(read_own)) => unsafe { read_own(file, to, count, at) },
        _ => SQLITE_IOERR_CORRUPTFS,
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    count: c_int,
    at: sqlite3_int64,
) -> c_int {
    let Some(open) = opened(file) else { return SQLITE_IOERR_WRITE };
    let Some(write_own) = open.own.xWrite else { return SQLITE_IOERR_WRITE };
    let (count, code) = match open.disk.begin(Operation::Write, &open.path) {
        Verdict::Succeeds => (count, SQLITE_OK),
        Verdict::FindsNoSpace => (count / 2, SQLITE_FULL),
        Verdict::Fails => (count / 2, SQLITE_IOERR_WRITE),
        Verdict::DoesNothing => return SQLITE_IOERR_WRITE,
    };
    // SAFETY: the arguments are SQLite's; `count` did not grow, and `from` has so many bytes.
    let (written, bytes) = unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(count).unwrap_or(0));
        (write_own(file, from, count, at), bytes)
    };
    if written != SQLITE_OK {
        return written;
    }
    open.disk.wrote(&open.path, usize::try_from(at).unwrap_or(0), bytes);
    code
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, bytes: sqlite3_int64) -> c_int {
    let Some(open) = opened(file) else { return SQLITE_IOERR_TRUNCATE };
    let (Verdict::Succeeds, Some(truncate_own)) =
        (open.disk.begin(Operation::Resize, &open.path), open.own.xTruncate)
    else {
        return SQLITE_IOERR_TRUNCATE;
    };
    // SAFETY: the arguments are SQLite's.
    let code = unsafe { truncate_own(file, bytes) };
    if code == SQLITE_OK {
        open.disk.resized(&open.path, usize::try_from(bytes).unwrap_or(0));
    }
    code
}

/// Syncs nothing really: a power loss is a pretended one.
unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    let Some(open) = opened(file) else { return SQLITE_IOERR_FSYNC };
    match open.disk.begin(Operation::Sync, &open.path) {
        Verdict::Succeeds => {
            open.disk.synced(&open.path);
            SQLITE_OK
        }
        Verdict::DoesNothing => SQLITE_IOERR_FSYNC,
        Verdict::Fails | Verdict::FindsNoSpace => {
            open.disk.failed_to_sync(&open.path);
            SQLITE_IOERR_FSYNC
        }
    }
}

/// # Safety
/// `name` is null, or ends with a zero.
unsafe fn path(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: see above.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())).to_owned())
}

fn opened(file: *mut sqlite3_file) -> Option<OpenFile> {
    files().as_ref()?.get(&file.addr()).cloned()
}

fn files() -> MutexGuard<'static, Option<HashMap<usize, OpenFile>>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}
