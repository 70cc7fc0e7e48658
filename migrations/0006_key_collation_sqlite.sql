-- SQLite compares by bytes unless a column says otherwise; nothing is needed for that here.
SELECT 1;
