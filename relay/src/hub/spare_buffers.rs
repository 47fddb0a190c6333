//! Buffers that a thread keeps for the next connection that it writes to, or that gets a message
//! in pieces.
//!
//! A connection that is used again and again needs no allocation, and one that is idle holds no
//! buffer.

use std::cell::RefCell;

/// Buffers that one thread keeps: as many connections as one step usually writes to. More are
/// freed.
const SPARE_BUFFERS_MAX: usize = 32;
/// Bytes of a buffer that is kept, so that a thread keeps at most 2 MiB. A larger one is freed.
const SPARE_BUFFER_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static SPARE_BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer. It has capacity if this thread kept one.
pub(crate) fn take() -> Vec<u8> {
    SPARE_BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps a buffer whose bytes are no longer needed.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    buffer.clear();
    SPARE_BUFFERS.with_borrow_mut(|spare| {
        if (1..=SPARE_BUFFER_BYTES_MAX).contains(&buffer.capacity()) && spare.len() < SPARE_BUFFERS_MAX {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_empty() {
        give_back(vec![7; 100]);
        let again = take();
        assert!(again.is_empty() && again.capacity() >= 100);
        assert_eq!(take().capacity(), 0, "there was one");
    }

    #[test]
    fn a_thread_keeps_neither_many_buffers_nor_large_ones() {
        give_back(Vec::with_capacity(SPARE_BUFFER_BYTES_MAX + 1));
        assert_eq!(take().capacity(), 0, "too large");
        for _ in 0..100 {
            give_back(Vec::with_capacity(10));
        }
        let kept = std::iter::repeat_with(take).take_while(|buffer| buffer.capacity() > 0).count();
        assert_eq!(kept, SPARE_BUFFERS_MAX);
    }
}
