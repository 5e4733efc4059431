//! The RTSP front. (skeleton)
