//! Holds a pod's namespaces open and does nothing else. The container runtime ends it with SIGKILL.

fn main() {
    loop {
        std::thread::park();
    }
}
