-- Changes of another process are found by PRAGMA data_version; nothing is needed for that here.
SELECT 1;
